/** Every mail that the server writes, with what it says. Dates are ISO 8601. */
export type Mail = { readonly to: string } & (
  | {
      readonly template: 'invitation'
      readonly data: {
        readonly tenantName: string
        readonly inviterName: string
        readonly link: string
        readonly expiresAt: string
      }
    }
  | { readonly template: 'password_reset'; readonly data: { readonly link: string; readonly expiresAt: string } }
  | { readonly template: 'email_verification'; readonly data: { readonly link: string; readonly expiresAt: string } }
  | { readonly template: 'already_registered'; readonly data: { readonly serverUrl: string } }
  | { readonly template: 'password_changed' }
  | { readonly template: 'password_was_reset' }
)
