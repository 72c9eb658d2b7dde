"""The champion: the calibrated model that is handed over, a blend of cross-fitted networks, trees and linear models."""
