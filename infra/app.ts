/**
 * The CDK app: two templates without assets and without bootstrap, for everybody. Those who have CDK apps of their own use
 * the construct `DomainMembership` in them.
 */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { sha256Of } from './agent-file.ts';
import { acknowledge } from './acknowledged.ts';
import { AttachStack } from './attach-stack.ts';
import { MembershipStack } from './stack.ts';

export interface AppProps {
  readonly outdir: string;
  /** The bundled agent; the template holds its hash. */
  readonly agentFile: string;
}

export function createApp({ outdir, agentFile }: AppProps): App {
  const app = new App({
    outdir,
    analyticsReporting: false,
    // The old style knows no bootstrap: the templates stand alone.
    context: { '@aws-cdk/core:newStyleStackSynthesis': false },
  });
  const stack = new MembershipStack(app, 'adjoin', { agentSha256: sha256Of(agentFile) });
  new AttachStack(app, 'adjoin-attach');
  acknowledge(stack.membership);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}
