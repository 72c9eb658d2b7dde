"""References of the pages, in the order of their authors."""

_SHARED = (
    "Dimitriadis, Gneiting & Jordan 2021, Stable reliability diagrams for probabilistic classifiers (CORP), PNAS 118.",
    "Guo et al. 2017, On calibration of modern neural networks, ICML.",
    "Kumar, Liang & Ma 2019, Verified uncertainty calibration, NeurIPS.",
    "Müller, Kornblith & Hinton 2019, When does label smoothing help?, NeurIPS.",
    "Nadeau & Bengio 2003, Inference for the generalization error, Machine Learning 52.",
    "Okabe & Ito 2008, Color universal design.",
    "Srivastava et al. 2014, Dropout, JMLR 15.",
)
STUDY = tuple(
    sorted(
        [
            *_SHARED,
            "Akiba et al. 2019, Optuna: a next-generation hyperparameter optimization framework, KDD.",
            "Berta, Holzmüller, Jordan & Bach 2026, Structured matrix scaling for multi-class calibration, AISTATS.",
            "Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks, MLSys.",
            "Bröcker & Smith 2007, Increasing the reliability of reliability diagrams, Weather and Forecasting 22.",
            "Cawley & Talbot 2010, On over-fitting in model selection and subsequent selection bias in performance "
            "evaluation, JMLR 11.",
            "Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.",
            "Kadra et al. 2021, Well-tuned simple nets excel on tabular datasets, NeurIPS.",
            "Lakshminarayanan, Pritzel & Blundell 2017, Simple and scalable predictive uncertainty estimation using "
            "deep ensembles, NeurIPS.",
            "Vovk & Petej 2014, Venn-Abers predictors, UAI.",
            "Wang & Aitchison 2024, How to set AdamW’s weight decay as you scale model and dataset size.",
        ]
    )
)
TEXTBOOK = tuple(
    sorted(
        [
            *_SHARED,
            "Lakens, Scheel & Isager 2018, Equivalence testing for psychological research, Advances in Methods and "
            "Practices in Psychological Science 1 (smallest effect size of interest).",
            "Schuirmann 1987, A comparison of the two one-sided tests procedure, Journal of Pharmacokinetics and "
            "Biopharmaceutics 15.",
        ]
    )
)
ONE_MODEL = (
    "Bröcker & Smith 2007, Increasing the reliability of reliability diagrams, Weather and Forecasting 22.",
    "Dimitriadis, Gneiting & Jordan 2021, Stable reliability diagrams for probabilistic classifiers (CORP), PNAS 118.",
    "Guo et al. 2017, On calibration of modern neural networks, ICML.",
    "Kumar, Liang & Ma 2019, Verified uncertainty calibration, NeurIPS.",
    "Platt 1999, Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers.",
)
