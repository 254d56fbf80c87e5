import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import dynalite from 'dynalite';
import type { Place } from '../place.ts';
import type { Answer } from '../service.ts';
import type { SignedRequest } from '../signature.ts';

/** DynamoDB, which dynalite already emulates: requests pass through as they came, behind the same front door. */
export class Tables {
  readonly #server: ReturnType<typeof dynalite>;

  constructor(place: Place) {
    this.#server = withEnvironment({ AWS_REGION: place.region, AWS_ACCOUNT_ID: place.accountId }, () =>
      dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 }),
    );
  }

  answer({ body, method, url, headers }: SignedRequest): Promise<Answer> {
    const incoming = Object.assign(Readable.from([body]), { method, url, headers });
    return new Promise((resolve) => {
      this.#server.emit('request', incoming, new Reply(resolve));
    });
  }
}

/** As much of a server response as dynalite uses, kept instead of sent. */
class Reply extends EventEmitter {
  statusCode = 200;
  readonly #headers: Record<string, string> = {};
  readonly #done: (answer: Answer) => void;

  constructor(done: (answer: Answer) => void) {
    super();
    this.#done = done;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name.toLowerCase()] = String(value);
  }

  end(body: string | Buffer = ''): void {
    delete this.#headers['content-length'];
    delete this.#headers['transfer-encoding'];
    this.#done({ status: this.statusCode, headers: this.#headers, body });
  }
}

/** dynalite takes Region and account for its ARNs from the environment, and only while it is made. */
function withEnvironment<T>(variables: Readonly<Record<string, string>>, make: () => T): T {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return make();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
