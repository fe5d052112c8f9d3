"""``python -m tocsin.sandbox``: stand-in APNs, FCM and WNS servers to test a push integration against."""

from tocsin.sandbox.command import main

if __name__ == "__main__":
    main()
