/** What the demo reads of the control-plane stub's answers. */
export type GrantAnswer = {
  jobs: { jobId: string; kind: string; state: string; outcome?: string; error?: { code: string; message: string } }[];
  grant: { state: string; expiresAt: string | null } | null;
  ended: { cause: string; membership: string } | null;
};
type ConnectorAnswer = { connectorId: string; connected: boolean };

export type ControlPlaneClient = {
  readonly apiUrl: string;
  createGrant(body: string): Promise<{ grantId: string; jobId: string }>;
  grant(grantId: string): Promise<GrantAnswer>;
  connectors(): Promise<ConnectorAnswer[]>;
};

// Loopback answers in milliseconds; this is for a machine that stops meanwhile.
const answerWithinMs = 10_000;

/** Asks the HTTP API of the control-plane stub as curl would. Rejects with its words where it refuses. */
export function controlPlaneClient(apiUrl: string): ControlPlaneClient {
  const ask = async (path: string, request: RequestInit = {}): Promise<unknown> => {
    const answer = await fetch(`${apiUrl}${path}`, { ...request, signal: AbortSignal.timeout(answerWithinMs) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${request.method ?? 'GET'} ${path} was answered ${answer.status}: ${text.trim()}`);
    return JSON.parse(text);
  };
  return {
    apiUrl,
    createGrant: async (body) => (await ask('/grants', { method: 'POST', body })) as { grantId: string; jobId: string },
    grant: async (grantId) => (await ask(`/grants/${grantId}`)) as GrantAnswer,
    connectors: async () => (await ask('/connectors')) as ConnectorAnswer[],
  };
}
