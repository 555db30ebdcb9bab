import { Module } from '@nestjs/common'
import { ProjectChanges } from './project-changes.service.js'
import { ProjectClaimsRepository } from './project-claims.repository.js'
import { ProjectClosing } from './project-closing.service.js'
import { ProjectCreation } from './project-creation.service.js'
import { ProjectDeletion } from './project-deletion.service.js'
import { ProjectDirectory } from './project-directory.service.js'
import { ProjectDrafts } from './project-drafts.service.js'
import { ProjectUseReadModel } from './project-use.read-model.js'
import { ProjectsController } from './projects.controller.js'
import { ProjectsRepository } from './projects.repository.js'
import { Projects } from './projects.service.js'

@Module({
  controllers: [ProjectsController],
  providers: [
    Projects,
    ProjectCreation,
    ProjectChanges,
    ProjectDeletion,
    ProjectDrafts,
    ProjectClosing,
    ProjectDirectory,
    ProjectsRepository,
    ProjectClaimsRepository,
    ProjectUseReadModel,
  ],
  exports: [ProjectDirectory],
})
export class ProjectsModule {}
