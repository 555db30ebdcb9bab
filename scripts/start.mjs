import { join } from 'node:path'
import { become, ensureBuilt, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become(['--enable-source-maps', join(root, 'dist', 'main.js')])
