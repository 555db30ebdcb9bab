export { ProjectDeleted } from './project.events.js'
export { ProjectDirectory } from './project-directory.service.js'
export { projectDeleted } from './projects.errors.js'
export { ProjectsModule } from './projects.module.js'
