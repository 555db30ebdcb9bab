/** All copies together. The largest is the script of /docs, about 400 KB. */
const MAX_BYTES = 4 * 1024 * 1024

/**
 * Public answers that have been compressed already, by their tag, so that nobody can keep us compressing the same
 * megabyte. Never a tenant's: those would stay in memory longer than anyone asked for.
 */
export class CompressedCopies {
  private readonly copies = new Map<string, Buffer>()
  private bytes = 0

  find(tag: string): Buffer | undefined {
    return this.copies.get(tag)
  }

  add(tag: string, copy: Buffer): void {
    if (copy.length > MAX_BYTES || this.copies.has(tag)) return
    this.copies.set(tag, copy)
    this.bytes += copy.length
    for (const [oldest, { length }] of this.copies) {
      if (this.bytes <= MAX_BYTES) return
      this.copies.delete(oldest)
      this.bytes -= length
    }
  }
}
