"use client";

export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  return (
    <main id="main">
      <section className="card sign-in" role="alert">
        <h1>Something went wrong here</h1>
        <p>Your todos are safe: they are kept by the server.</p>
        <button type="button" className="primary" onClick={reset}>
          Try again
        </button>
      </section>
    </main>
  );
}
