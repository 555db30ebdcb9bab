import { z } from 'zod'
import type { CspViolation } from './csp-violation.js'

/** Browsers send a handful at once. */
const MAX_REPORTS = 20
const MAX_TEXT_LENGTH = 8192
const CSP_VIOLATION = 'csp-violation'

const text = z.string().max(MAX_TEXT_LENGTH)

// Loose objects, unlike everywhere else: the formats are the browsers', which add to them as they please.
const legacyReportSchema = z.looseObject({
  'csp-report': z.looseObject({
    'document-uri': text,
    'violated-directive': text.optional(),
    'effective-directive': text.optional(),
    'blocked-uri': text.optional(),
  }),
})
const reportSchema = z.looseObject({
  type: text,
  body: z
    .looseObject({
      documentURL: text.optional(),
      effectiveDirective: text.optional(),
      blockedURL: text.nullish(),
    })
    .nullish(),
})

/** Of CSP Level 2 (`application/csp-report`), or a batch of the Reporting API (`application/reports+json`). */
export const cspReportsSchema = z.union([legacyReportSchema, z.array(reportSchema).max(MAX_REPORTS)])
export type CspReports = z.infer<typeof cspReportsSchema>

/** The violations among the reports; the Reporting API sends other kinds to the same place. */
export function reportedViolations(reports: CspReports): CspViolation[] {
  if (Array.isArray(reports)) {
    return reports
      .filter(({ type }) => type === CSP_VIOLATION)
      .map(({ body }) => ({
        directive: body?.effectiveDirective ?? '',
        documentUri: body?.documentURL ?? '',
        blockedUri: body?.blockedURL ?? '',
      }))
  }
  const report = reports['csp-report']
  return [
    {
      directive: report['effective-directive'] || (report['violated-directive'] ?? ''),
      documentUri: report['document-uri'],
      blockedUri: report['blocked-uri'] ?? '',
    },
  ]
}
