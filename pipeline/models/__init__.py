"""Networks as stacks: multilayer perceptron, convolutions, gated recurrent units."""
