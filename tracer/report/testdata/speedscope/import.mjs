// Reads files by speedscope's own importer, checks them by its schema, and prints what it sees:
// node import.mjs FILE...
//
// The package has the importer inside the page that it is. Here that page's script runs up to where
// it would draw.
import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'

const release = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node_modules/speedscope/dist/release')

function importer() {
  const name = fs.readdirSync(release).find(file => /^speedscope-.*\.js$/.test(file))
  let script = fs.readFileSync(path.join(release, name), 'utf8')
  const called = /loadFileFromBase64:\((\w+),(\w+)\)=>\{this\.loadProfile\(\(\)=>(\w+)\(\1,\2\)\)\}/.exec(script)[3]
  script = script.slice(0, script.lastIndexOf('console.log(`speedscope v')) + `globalThis.imports=${called}})()`
  const nothing = new Proxy(function () {}, {
    get: (_, key) => (key === Symbol.toPrimitive ? () => '' : nothing),
    apply: () => nothing,
    construct: () => nothing,
    set: () => true,
  })
  const quiet = { ...console, log() {} }
  const page = vm.createContext({
    console: quiet, window: nothing, document: nothing, navigator: nothing, localStorage: nothing,
    atob, TextDecoder, TextEncoder, Response, URL, setTimeout, clearTimeout,
  })
  page.self = page
  vm.runInContext(script, page)
  return page.imports
}

const imports = importer()
const fits = new Ajv({ strict: false }).compile(JSON.parse(fs.readFileSync(path.join(release, 'file-format-schema.json'), 'utf8')))
const seen = []
for (const file of process.argv.slice(2)) {
  if (!fits(JSON.parse(fs.readFileSync(file, 'utf8')))) {
    throw new Error(`${file}: ${JSON.stringify(fits.errors)}`)
  }
  const group = await imports(path.basename(file), fs.readFileSync(file).toString('base64'))
  const profiles = group.profiles.map(p => {
    const stacks = {}
    const walk = (node, names) => {
      if (node.getSelfWeight() > 0) stacks[names.join(';')] = node.getSelfWeight()
      for (const child of node.children) walk(child, [...names, child.frame.name])
    }
    walk(p.getGroupedCalltreeRoot(), [])
    return { name: p.getName(), unit: p.getWeightUnit(), total: p.getTotalWeight(), stacks }
  })
  seen.push({ name: group.name, profiles })
}
console.log(JSON.stringify(seen))
