import { Module } from '@nestjs/common'
import { ProjectDirectory } from './project-directory.service.js'
import { ProjectsRepository } from './projects.repository.js'

@Module({ providers: [ProjectDirectory, ProjectsRepository], exports: [ProjectDirectory] })
export class ProjectsModule {}
