// SMTP servers on loopback, with and without faults. The first line prints their ports; each
// further line is an accepted message.
//
//   node server.mjs certificate.pem key.pem

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { SMTPServer } from "smtp-server";

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const seen = new Map();

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
      let raw = "";
      stream.on("data", (chunk) => (raw += chunk));
      stream.on("end", () => {
        const id = /^Message-ID: (.*)$/im.exec(raw)?.[1];
        seen.set(id, (seen.get(id) ?? 0) + 1);
        if (name === "busy" && seen.get(id) === 1) {
          return done(Object.assign(new Error("try again"), { responseCode: 451 }));
        }
        const to = session.envelope.rcptTo.map(({ address }) => address);
        console.log(JSON.stringify({ name, secure: session.secure, to, raw }));
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
