import keras
from sklearn.datasets import load_digits

from stoker_workers import Run, callbacks


def main(epochs: int = 20) -> dict[str, float]:
    run = Run.current()
    keras.utils.set_random_seed(1)
    x, y = load_digits(return_X_y=True)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1500],
        y[:1500],
        batch_size=64,
        epochs=epochs,
        verbose=0,
        callbacks=[callbacks.Stoker(run, epochs=5)],
    )
    loss, accuracy = model.evaluate(x[1500:], y[1500:], verbose=0)
    return {"loss": loss, "accuracy": accuracy}


if __name__ == "__main__":
    print(main())
