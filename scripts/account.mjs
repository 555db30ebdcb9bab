import { join } from 'node:path'
import { become, ensureBuilt, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become([join(root, 'dist', 'account.js'), ...process.argv.slice(2)])
