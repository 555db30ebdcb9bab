import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ProjectChanges } from './project-changes.service.js'
import { ProjectCreation } from './project-creation.service.js'
import { ProjectDeletion } from './project-deletion.service.js'
import {
  addressOf,
  type ChangeProjectCommand,
  changeProjectSchema,
  type CreateProjectCommand,
  createProjectSchema,
  type Project,
  projectCountQuerySchema,
  projectCountSchema,
  type ProjectFilter,
  type ProjectListQuery,
  projectListQuerySchema,
  projectPageSchema,
  projectSchema,
  type ProjectSummary,
} from './projects.schemas.js'
import { Projects } from './projects.service.js'

@ApiTags('projects')
@Controller('v1/projects')
export class ProjectsController {
  constructor(
    private readonly projects: Projects,
    private readonly creation: ProjectCreation,
    private readonly changes: ProjectChanges,
    private readonly deletion: ProjectDeletion,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Add a project',
    description:
      'Its slug never changes. One that is made from the name gets a number where that is taken: `website`, `website-2`.',
    access: 'projects:write',
    idempotent: true,
    answers: [{ status: 201, description: 'The project.', schema: projectSchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() { tenantId }: Principal,
    @Body({ schema: createProjectSchema }) command: CreateProjectCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Project> {
    const created = await this.creation.create(tenantId, command)
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List projects, newest first',
    description: 'Without their descriptions: get a project for that.',
    access: 'projects:read',
    answers: [{ status: 200, description: 'A page of projects.', schema: projectPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() { tenantId }: Principal,
    @Query({ schema: projectListQuerySchema }) query: ProjectListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ProjectSummary>> {
    const page = await this.projects.list(tenantId, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('count')
  @Endpoint({
    summary: 'Count projects',
    access: 'projects:read',
    answers: [{ status: 200, description: 'How many projects match.', schema: projectCountSchema }],
    problems: [400],
  })
  async count(
    @CurrentPrincipal() { tenantId }: Principal,
    @Query({ schema: projectCountQuerySchema }) filter: ProjectFilter,
  ): Promise<{ count: number }> {
    return { count: await this.projects.count(tenantId, filter) }
  }

  @Get(':slug')
  @Endpoint({
    summary: 'Get a project',
    access: 'projects:read',
    answers: [{ status: 200, description: 'The project.', schema: projectSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() { tenantId }: Principal, @Param('slug') slug: string): Promise<Project> {
    return this.projects.get({ tenantId, slug })
  }

  @Patch(':slug')
  @Endpoint({
    summary: 'Change, archive or unarchive a project',
    description: 'An archived project takes no new runs or schedules. To archive it, nothing in it may be active.',
    access: 'projects:write',
    answers: [{ status: 200, description: 'The project as it is now.', schema: projectSchema }],
    problems: [400, 404, 409],
  })
  change(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('slug') slug: string,
    @Body({ schema: changeProjectSchema }) command: ChangeProjectCommand,
  ): Promise<Project> {
    return this.changes.change({ tenantId, slug }, command)
  }

  @Delete(':slug')
  @Endpoint({
    summary: 'Delete a project',
    description:
      'Nothing in it may be active. Its runs and costs stay and go on naming it; its slug is free for another project, ' +
      'and `?project=` finds what belongs to that one.',
    access: 'projects:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404, 409],
  })
  async delete(@CurrentPrincipal() { tenantId }: Principal, @Param('slug') slug: string): Promise<void> {
    await this.deletion.delete({ tenantId, slug })
  }
}
