/** The edition of the tz database in this runtime, such as "2026c": with another one, due times may differ. */
export const TZ_DATABASE_VERSION: string = process.versions['tz'] ?? 'unknown'
