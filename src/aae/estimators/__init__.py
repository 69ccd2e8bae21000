"""The models as scikit-learn estimators: own parameters -> `Config` -> training in memory -> `Run`.

inputs.py    a user's array, checked by scikit-learn's rules, with the place of what is wrong
settings.py  parameters, and the size of the data -> Config
base.py      fit, partial_fit, warm_start, save, load: what every estimator does
latent.py    AAE, Autoencoder, VAE: transformers
classes.py   AAEClassifier, AAECluster
    outliers.py  AAEOutlierDetector
"""

from aae.estimators.classes import AAEClassifier, AAECluster
from aae.estimators.latent import AAE, VAE, Autoencoder
from aae.estimators.outliers import AAEOutlierDetector

__all__ = ["AAE", "VAE", "AAEClassifier", "AAECluster", "AAEOutlierDetector", "Autoencoder"]
