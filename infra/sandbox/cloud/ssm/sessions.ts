import type { Random } from '../random.ts';
import type { Principal } from '../service.ts';

/** A session that was opened. Its stream leads nowhere here: what is emulated is who may have one. */
export interface Session {
  readonly id: string;
  /** Who opened it, as `aws:userid`: what the session's tag `aws:ssmmessages:session-id` says. */
  readonly owner: string;
  readonly token: string;
}

export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The ID begins with the user's or the role session's name, as policies rely on. */
  start({ arn, context }: Principal): Session {
    const owner = context?.['aws:userid'] ?? '';
    const session: Session = {
      id: `${arn.split('/').at(-1)}-0${this.#random(8).toString('hex')}`,
      owner,
      token: this.#random(48).toString('base64'),
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** False when there is no such session. */
  end(id: string): boolean {
    return this.#sessions.delete(id);
  }
}
