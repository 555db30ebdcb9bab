/**
 * `node --import ./swc-hook.mjs main.ts`: compiles this folder's TypeScript as it is loaded. Node's own type stripping
 * cannot: Nest, TypeORM and class-validator need decorators and the types that they emit. It costs start time only.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'

const here = new URL('.', import.meta.url).href

registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith(here) || !url.endsWith('.ts')) return nextLoad(url, context)
    const filename = fileURLToPath(url)
    const { code } = transformSync(readFileSync(filename, 'utf8'), {
      filename,
      swcrc: false,
      sourceMaps: 'inline',
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        target: 'es2024',
        keepClassNames: true,
      },
      module: { type: 'es6' },
    })
    return { format: 'module', source: code, shortCircuit: true }
  },
})
