import { become, ensureBuilt, ensureInstalled, serverArgs } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become(serverArgs)
