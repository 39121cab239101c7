import { connection } from "next/server";
import { App } from "@/components/App";
import { filterFromQuery } from "@/lib/filter";
import { readSettings } from "@/lib/settings";

type Props = { searchParams: Promise<Record<string, string | string[] | undefined>> };

/** Made anew for each request, so that the settings are those of the running server and each answer has its own nonce. */
export default async function Page({ searchParams }: Props) {
  await connection();
  const { apiBaseUrl, environment } = readSettings();
  return (
    <>
      <App apiBaseUrl={apiBaseUrl} environment={environment} filter={filterFromQuery(await searchParams)} />
      <noscript>
        <p className="problem">This page needs JavaScript: the todos are fetched and changed by it.</p>
      </noscript>
    </>
  );
}
