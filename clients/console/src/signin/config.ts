// The settings of the gateway for signing in.

/** The settings of the gateway for signing in, from /console/config.json. */
export interface Config {
  supabase?: SupabaseProject;
  /** Whether links of the form #token=... sign in, as under `fieldgate dev`. */
  tokenLinks: boolean;
  live: boolean;
  /** The domain for which passkeys sign approvals. Absent if the gateway has none. */
  passkeys?: string;
}

/** A Supabase project and its public key. */
export interface SupabaseProject {
  url: string;
  anonKey: string;
}
