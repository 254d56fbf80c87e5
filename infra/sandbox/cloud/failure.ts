/**
 * An answer that is an error. `code` is the name of the error's shape in the service's model where there is one, else the
 * code that AWS sends; the wire turns it into the protocol's own form. Thrown by operations, never by the machinery.
 */
export class ServiceFailure extends Error {
  readonly code: string;
  /** HTTP status, where the model does not say one. */
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = status;
  }
}
