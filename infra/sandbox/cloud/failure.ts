/**
 * An answer that is an error. `code` is the name of the error's shape in the service's model where there is one, else the
 * code that AWS sends; the wire turns it into the protocol's own form. Thrown by operations, never by the machinery.
 */
export class ServiceFailure extends Error {
  readonly code: string;
  /** HTTP status, where the model does not say one. */
  readonly status: number;
  /** Further ones of the answer, where the protocol says something in headers. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: string, message: string, status = 400, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = status;
    this.headers = headers;
  }
}
