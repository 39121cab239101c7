import { apiOrigin } from "./settings";

/**
 * The content security policy of one answer. Scripts run only with its nonce, or when such a script loads them;
 * nothing comes from another host but the API's answers, where the API has a host of its own.
 */
export function contentSecurityPolicy(nonce: string, apiBaseUrl: string, development = false): string {
  const api = apiOrigin(apiBaseUrl);
  const rules: Record<string, string[]> = {
    "default-src": ["'none'"],
    // Next's development server evaluates what it reloads; 'self' is for browsers that know no 'strict-dynamic'.
    "script-src": ["'self'", `'nonce-${nonce}'`, "'strict-dynamic'", ...(development ? ["'unsafe-eval'"] : [])],
    "style-src": development ? ["'self'", "'unsafe-inline'"] : ["'self'", `'nonce-${nonce}'`],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'", ...(api ? [api] : []), ...(development ? ["ws:"] : [])],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
  };
  return Object.entries(rules)
    .map(([name, sources]) => `${name} ${sources.join(" ")}`)
    .join("; ");
}

/** Headers of every answer. The API asks for an Origin or Referer of the same host, so the referrer stays for that one. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};
