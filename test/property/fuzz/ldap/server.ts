/** A directory server over TLS on the loopback that does with its answers whatever a case says. */
import { once } from 'node:events';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { all, first, number } from '../../../support/ber.ts';
import type { Certificate } from '../../../support/certificate.ts';
import { encode, Model, Op, type Answer, type Request } from './model.ts';

/** What is done to the answer of one request. */
export interface Script {
  /** Which request of a case is meant, from 0 on; the ones after it, too, when `goesOn`. */
  readonly at: number;
  readonly goesOn: boolean;
  readonly isSloppy?: boolean;
  /** Changes the answer before it is bytes. */
  readonly answer?: (answer: Answer, request: Request) => Answer;
  /** Changes the bytes, or says nothing. */
  readonly bytes?: (bytes: Buffer, request: Request) => Buffer;
  /** Ends the connection after the answer. */
  readonly hangsUp?: boolean;
}

export class ScriptedServer {
  model = new Model();
  /** Counts what comes and goes, so that somebody can see whether something still happens. */
  activity = 0;
  /** Whether somebody may wait in vain in this case. */
  hasErred = false;
  /** Every request of the case, in order. */
  readonly requests: Request[] = [];
  /** Called for each connection that the other side has reset, and not merely ended. */
  onReset: () => void = () => undefined;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();
  #script: Script | undefined;

  private constructor(certificate: Certificate) {
    this.#server = createServer({ ...certificate, minVersion: 'TLSv1.2' }, (socket) => this.#serve(socket));
  }

  static async listen(certificate: Certificate): Promise<ScriptedServer> {
    const server = new ScriptedServer(certificate);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get endpoint(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  begin(script: Script | undefined): void {
    this.script(script);
    this.model = new Model();
    this.requests.length = 0;
    this.hasErred = false;
  }

  /** Goes on with another script. */
  script(script: Script | undefined): void {
    this.#script = script;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: TLSSocket): void {
    this.activity += 1;
    this.#sockets.add(socket);
    let received = Buffer.alloc(0);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') this.onReset();
      socket.destroy();
    });
    socket.on('close', () => {
      this.activity += 1;
      this.#sockets.delete(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      this.activity += 1;
      received = Buffer.concat([received, chunk]);
      for (let message = first(received); message; message = first(received)) {
        received = received.subarray(message.size);
        const [id, operation] = all(message.content);
        if (!operation || operation.tag === Op.unbind) continue;
        const isPrimitive = operation.tag === Op.remove;
        this.#answer(socket, {
          id: number(id),
          op: operation.tag,
          parts: isPrimitive ? [] : all(operation.content),
          bytes: operation.content,
        });
      }
    });
  }

  #answer(socket: TLSSocket, request: Request): void {
    const at = this.requests.push(request) - 1;
    const script = this.#script;
    const applies = script && (at === script.at || (script.goesOn && at > script.at));
    if (applies && (script.bytes || script.hangsUp)) this.hasErred = true;
    let answer = this.model.answer(request, applies === true && script.isSloppy === true);
    if (applies && script.answer) answer = script.answer(answer, request);
    let bytes = encode(request, answer);
    if (applies && script.bytes) bytes = script.bytes(bytes, request);
    if (bytes.length > 0) socket.write(bytes);
    if (applies && script.hangsUp) socket.end();
  }
}
