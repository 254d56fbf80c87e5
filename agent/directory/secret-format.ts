/** The text of the secret, as operators write it. */
import { z } from 'zod';
import { AdjoinError } from '../errors.ts';
import type { ServiceCredential } from '../terms.ts';

/** The key names are those of the AWS Security Blog's solution, so that its users can switch. */
const format = z.object({
  domain_name: z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'is not the DNS name of a domain'),
  domain_user: z.string().min(1),
  domain_password: z.string().min(1),
  directory_ou: z
    .string()
    .regex(/^(OU|CN)=.+,DC=.+/i, 'is not the distinguished name of an organizational unit'),
});

/** @throws AdjoinError `secret-invalid`, which does not show the text */
export function parseSecret(versionId: string, text: string): ServiceCredential {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AdjoinError('secret-invalid', 'The secret is not JSON.');
  }
  const result = format.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) => `${issue.path.join('.') || 'the value'}: ${issue.message}`,
    );
    throw new AdjoinError('secret-invalid', `The secret is not as it should be. ${problems.join('; ')}`);
  }
  return {
    versionId,
    domain: result.data.domain_name.toLowerCase(),
    user: result.data.domain_user,
    password: result.data.domain_password,
    organizationalUnit: result.data.directory_ou,
  };
}
