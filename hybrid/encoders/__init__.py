from hybrid.encoders.named import MODELS, Bundle


def load(spec: str) -> Bundle:
    return MODELS[spec].open() if spec in MODELS else Bundle(spec)
