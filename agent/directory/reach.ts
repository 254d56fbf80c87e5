/** Looking at the controllers one by one, without logging on: which there are, and whether each can be spoken to. */
import type { SrvRecord } from 'node:dns';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import { Connection } from './connection.ts';
import { controllersRecord, inSrvOrder, parseEndpoint } from './discovery.ts';
import { ControllerFailure, noController } from './failures.ts';
import type { RandomBytes } from './one-time-password.ts';
import { lookUpSrv } from './srv-lookup.ts';
import { endpointName } from './tls.ts';
import { unlessAborted } from './waiting.ts';

export interface ReachOptions {
  /** `host` or `host:port`; without them DNS is asked. */
  readonly controllers: readonly string[] | undefined;
  readonly caFile: string | undefined;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** @default the system's DNS servers */
  readonly resolveSrv?: ((name: string) => Promise<readonly SrvRecord[]>) | undefined;
}

export interface Reach {
  /** `host:port` of each. @throws AdjoinError `directory-unavailable` when DNS does not know */
  controllers(domain: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Connects, verifies the certificate, and reads the root entry. @throws AdjoinError `directory-…` */
  reach(controller: string, signal: AbortSignal): Promise<void>;
}

export function createReach(options: ReachOptions): Reach {
  const { connectTimeoutMs, caFile, randomBytes } = options;
  const resolveSrv = options.resolveSrv ?? ((name: string) => lookUpSrv(name, connectTimeoutMs));
  return {
    async controllers(domain, signal) {
      if (options.controllers) return options.controllers.map((text) => endpointName(parseEndpoint(text)));
      const record = controllersRecord(domain);
      try {
        return inSrvOrder(await unlessAborted(resolveSrv(record), signal), randomBytes).map(endpointName);
      } catch (error) {
        signal.throwIfAborted();
        throw new AdjoinError(
          'directory-unavailable',
          `DNS does not answer for ${record}: ${reasonOf(error)}.`,
        );
      }
    },
    async reach(controller, signal) {
      try {
        const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
        const connection = await Connection.open(parseEndpoint(controller), { ...options, ca }, signal);
        connection.close();
      } catch (error) {
        if (error instanceof ControllerFailure) throw noController([error]);
        throw error;
      }
    },
  };
}
