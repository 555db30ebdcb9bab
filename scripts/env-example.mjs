import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
const { renderEnvExample } = await import('../dist/platform/config/env-example.js')
writeFileSync(join(root, '.env.example'), renderEnvExample())
