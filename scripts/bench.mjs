import { join } from 'node:path'
import { become, ensureBuilt, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become([join(root, 'bench', 'main.ts'), ...process.argv.slice(2)])
