/** The frontend's own health. It asks nobody, so an API that is away takes no frontend out of service. */
export const dynamic = "force-dynamic";

export function GET(): Response {
  return Response.json({ status: "ok" }, { headers: { "Cache-Control": "no-store" } });
}
