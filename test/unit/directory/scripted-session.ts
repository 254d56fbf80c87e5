/** A session with a scripted directory server, as the modules of the directory get it. */
import { Connection } from '../../../agent/directory/connection.ts';
import type { Session } from '../../../agent/directory/sessions.ts';
import { DOMAIN, UNIT } from '../../property/fuzz/ldap/model.ts';
import type { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import type { Certificate } from '../../support/certificate.ts';
import { SERVICE_ACCOUNT } from '../../support/security.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

/** The connection is the caller's to close. */
export async function openSession(
  server: ScriptedServer,
  { cert }: Certificate,
  signal: AbortSignal,
): Promise<Session> {
  server.begin(undefined);
  const [host = '', port] = server.endpoint.split(':');
  const connection = await Connection.open(
    { host, port: Number(port) },
    { ca: cert, connectTimeoutMs: 5_000, operationTimeoutMs: 5_000, clock: createVirtualClock() },
    signal,
  );
  await connection.bind('svc', 'Sesame77', signal);
  const shared = { domain: DOMAIN, organizationalUnit: UNIT };
  return {
    ...shared,
    connection,
    serviceAccount: SERVICE_ACCOUNT,
    binding: { ...shared, versionId: 'v1', order: 1, user: 'svc' },
  };
}
