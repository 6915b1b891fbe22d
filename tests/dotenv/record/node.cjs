// Records what dotenv for Node reads of every shape. How to run: README.md.
const fs = require('fs')
const dotenv = require('dotenv')

const version = require('dotenv/package.json').version
const lines = JSON.parse(fs.readFileSync(process.argv[2], 'utf8')).map(
  ({ name, text }) => `${JSON.stringify(name)}: ${JSON.stringify(dotenv.parse(Buffer.from(text)))}`
)
console.log(`{"version": "dotenv ${version}",\n"read": {\n${lines.join(',\n')}\n}}`)
