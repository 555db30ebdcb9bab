import { join } from 'node:path'
import { become, ensureBuilt, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become([join(root, 'dist', 'platform', 'database', 'migrate.js'), ...process.argv.slice(2)])
