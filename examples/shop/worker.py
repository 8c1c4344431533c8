"""Places an order now and then."""

import os
import time
from urllib.request import Request, urlopen

while True:
    time.sleep(float(os.environ["SECONDS_BETWEEN_ORDERS"]))
    with urlopen(Request("http://orders:9000/", method="POST"), timeout=5) as answer:
        print(f"order {answer.read().decode()} placed")
