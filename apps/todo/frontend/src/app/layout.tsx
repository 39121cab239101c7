import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
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

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <a className="skip" href="#main">
          Skip to the todos
        </a>
        {children}
      </body>
    </html>
  );
}
