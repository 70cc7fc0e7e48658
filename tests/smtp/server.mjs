// SMTP servers on loopback, with and without faults. The first line prints their ports; each
// further line is an accepted message, as it was sent and as a MIME parser reads it.
//
//   node server.mjs certificate.pem key.pem

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const seen = new Map();

// Returns the parts of a message; neither part is derived from the other.
async function parse(bytes) {
  const options = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true };
  const { subject, from, text, html, headers, attachments } = await simpleParser(bytes, options);
  const { value: type, params } = headers.get("content-type");
  return { subject, from: from.text, text, html, type, params, attachments: attachments.length };
}

function smtpServer(name, options) {
  return new SMTPServer({
    cert,
    key,
    authOptional: false,
    onAuth({ username, password }, _, done) {
      const good = username === "mailer" && password === "p@ss:word";
      done(good ? null : new Error("wrong"), { user: username });
    },
    onData(stream, session, done) {
      const chunks = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("end", async () => {
        const bytes = Buffer.concat(chunks);
        const raw = bytes.toString();
        const id = /^Message-ID: (.*)$/im.exec(raw)?.[1];
        seen.set(id, (seen.get(id) ?? 0) + 1);
        if (name === "busy" && seen.get(id) === 1) {
          return done(Object.assign(new Error("try again"), { responseCode: 451 }));
        }
        const to = session.envelope.rcptTo.map(({ address }) => address);
        const parsed = await parse(bytes);
        console.log(JSON.stringify({ name, secure: session.secure, to, raw, parsed }));
        done();
      });
    },
    ...options,
  });
}

const servers = {
  implicit: smtpServer("implicit", { secure: true }),
  starttls: smtpServer("starttls", {}),
  plain: smtpServer("plain", { authOptional: true, disabledCommands: ["STARTTLS", "AUTH"] }),
  busy: smtpServer("busy", { secure: true }),
  refuses: smtpServer("refuses", {
    secure: true,
    onRcptTo(_address, _session, done) {
      done(Object.assign(new Error("no such mailbox"), { responseCode: 550 }));
    },
  }),
  stalls: createServer(() => {}),
  dies: createServer((socket) => socket.end("220 hello\r\n")),
};

const ports = {};
for (const [name, server] of Object.entries(servers)) {
  server.on("error", () => {});
  const listener = server.listen(0, "127.0.0.1");
  const inner = server.server ?? listener;
  if (!inner.listening) await once(inner, "listening");
  ports[name] = inner.address().port;
}
console.log(JSON.stringify(ports));
