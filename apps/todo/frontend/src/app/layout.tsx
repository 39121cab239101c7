import type { Metadata, Viewport } from "next";
import { headers } from "next/headers";
import type { ReactNode } from "react";
import { reloadOnMissingPart } from "@/lib/reload";
import "./base.css";
import "./todos.css";

export const metadata: Metadata = {
  title: "Todo",
  description: "What there is to do, and by when.",
  robots: { index: false, follow: false },
  formatDetection: { telephone: false, date: false, address: false, email: false },
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  colorScheme: "light dark",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#ffffff" },
    { media: "(prefers-color-scheme: dark)", color: "#1a202c" },
  ],
};

export default async function Layout({ children }: { children: ReactNode }) {
  const nonce = (await headers()).get("x-nonce") ?? undefined;
  return (
    <html lang="en">
      <head>
        {/* The browser hides the nonce from scripts, so what is there and what was sent differ. */}
        <script
          nonce={nonce}
          suppressHydrationWarning
          dangerouslySetInnerHTML={{ __html: `(${reloadOnMissingPart.toString()})()` }}
        />
      </head>
      <body>
        <a className="skip" href="#main">
          Skip to the todos
        </a>
        {children}
      </body>
    </html>
  );
}
