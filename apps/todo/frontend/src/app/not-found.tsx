import { connection } from "next/server";

export default async function NotFound() {
  await connection();
  return (
    <main id="main">
      <section className="card sign-in">
        <h1>There is nothing here</h1>
        <p>This address has no page.</p>
        {/* eslint-disable-next-line @next/next/no-html-link-for-pages -- a whole load, whatever state the page is in */}
        <a href="/">To your todos</a>
      </section>
    </main>
  );
}
