"""Records what python-dotenv reads of every shape. How to run: README.md."""

import importlib.metadata
import json
import os
import sys
import tempfile

import dotenv

os.environ.clear()  # names that a file does not set are not set
shapes = json.load(open(sys.argv[1], encoding="utf-8"))
read = {}
for shape in shapes:
    with tempfile.NamedTemporaryFile() as file:
        file.write(shape["text"].encode())
        file.flush()
        read[shape["name"]] = dotenv.dotenv_values(file.name)

print('{"version": "python-dotenv %s",' % importlib.metadata.version("python-dotenv"))
print('"read": {')
print(",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in read.items()))
print("}}")
