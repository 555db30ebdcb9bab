import type { AnswerDraft } from './answer-draft.js'
import type { ModelAnswer, ModelCall, ModelDelta, ModelUse } from './model-call.js'
import type { TryTerms } from './model-prompt.js'

/** No model has an answer as long as this: a limit above it holds nothing. */
const BEYOND_ALL_ANSWERS = 1_000_000

/** What has come of a call so far, over all its tries: what its caller has heard, what is kept of that, what it used. */
export class CallProgress {
  readonly uses: ModelUse[] = []
  private tries = 0
  /** What broken tries have said, for the next one to go on from. */
  private kept = ''
  private keptTokens = 0
  /** UTF-16 code units that the caller holds. */
  private heardCharacters = 0
  private speaker = ''
  private isSeamDue = false
  /** Output tokens of the next try, where somebody has said. */
  private held: number | undefined

  constructor(private readonly call: ModelCall) {}

  get said(): string {
    return this.kept
  }

  /** What the next try may write is what is left: all that is kept stays within the call's limit. */
  get maxOutputTokens(): number | undefined {
    const { maxOutputTokens } = this.call
    return maxOutputTokens === undefined ? undefined : Math.max(1, maxOutputTokens - this.keptTokens)
  }

  /** To no more than this, if to anything. */
  holdNextTry(maxOutputTokens: number | undefined): void {
    this.held = maxOutputTokens
  }

  nextTerms(model: string): TryTerms {
    this.tries += 1
    const limit = this.held ?? this.maxOutputTokens
    const longest = this.call.longestAnswerOf?.(model) ?? null
    return { said: this.kept, maxOutputTokens: statableLimit(limit, longest), tryNumber: this.tries }
  }

  /** Passes on what a model says. */
  say(text: string, model: string): void {
    const seam = this.takeSeam(model)
    this.heardCharacters += text.length
    this.speaker = model
    this.call.onDelta(seam ? { text, seam } : { text })
  }

  /** Keeps what a broken try has said. JSON cannot be glued, nor can tool calls: with these the next try starts over. */
  keep(draft: AnswerDraft, outputTokens: number): void {
    this.isSeamDue = this.heardCharacters > 0
    if (this.call.outputSchema || draft.hasBegunToolCall) {
      this.startOver()
      return
    }
    this.kept += draft.text
    this.keptTokens += outputTokens
  }

  /** The next try cannot go on from what was said. */
  startOver(): void {
    this.kept = ''
    this.keptTokens = 0
  }

  finish({ text, toolCalls, citations, finishReason }: AnswerDraft, model: string): ModelAnswer {
    // The new try said nothing by which its caller would know that the old text is void.
    if (this.isSeamDue) this.say('', model)
    return { text: this.kept + text, toolCalls, citations, finishReason: finishReason ?? 'other', model }
  }

  private takeSeam(to: string): ModelDelta['seam'] {
    if (!this.isSeamDue) return undefined
    this.isSeamDue = false
    this.heardCharacters = this.kept.length
    return { from: this.speaker, to, keptCharacters: this.kept.length }
  }
}

/** Providers refuse a whole request over a limit that is above what its model can say. */
function statableLimit(limit: number | undefined, longest: number | null): number | undefined {
  if (limit === undefined) return undefined
  if (longest !== null) return Math.min(limit, longest)
  return limit > BEYOND_ALL_ANSWERS ? undefined : limit
}
