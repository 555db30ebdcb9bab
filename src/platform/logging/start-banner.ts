export interface StartFacts {
  readonly version: string
  readonly url: string
  readonly database: string
  readonly cache: string
  readonly model: string
}

/** What a newcomer wants to see when the server is up: where it is, what it uses, what to type. */
export function startBanner({ version, url, database, cache, model }: StartFacts): string {
  return `
TempoNest ${version} listens on ${url}

  database  ${database}
  cache     ${cache}
  model     ${model}
  API       ${url}/docs

Try it:

  TOKEN=$(curl -s ${url}/v1/auth/register -H 'Content-Type: application/json' -d '{"email":"me+'$(date +%s)'@example.com","password":"Correct-Horse-42"}' | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')
  RUN=$(curl -s ${url}/v1/agents/developer/run -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"task":"Write a function that reverses a string."}' | sed 's/^{"id":"\\([^"]*\\)".*/\\1/')
  curl -s ${url}/v1/runs/$RUN -H "Authorization: Bearer $TOKEN"
`
}
