import type { AnswerDraft } from './answer-draft.js'
import type { ModelAnswer, ModelCall, ModelDelta, ModelUse } from './model-call.js'
import type { TryTerms } from './model-prompt.js'

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

  constructor(private readonly call: ModelCall) {}

  get said(): string {
    return this.kept
  }

  /** What the next try may write is what is left: all that is kept stays within the call's limit. */
  nextTerms(): TryTerms {
    this.tries += 1
    const { maxOutputTokens } = this.call
    return {
      said: this.kept,
      maxOutputTokens: maxOutputTokens === undefined ? undefined : Math.max(1, maxOutputTokens - this.keptTokens),
      tryNumber: this.tries,
    }
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
