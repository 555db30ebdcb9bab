import { join } from 'node:path'
import { become, ensureInstalled, root } from './lib/project.mjs'

ensureInstalled()
become([join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js'), 'start', '--watch'], { LOG_FORMAT: 'pretty' })
