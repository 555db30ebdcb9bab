export { ProjectDirectory } from './project-directory.service.js'
export { ProjectsModule } from './projects.module.js'
