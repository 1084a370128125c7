# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rgun_global_optspecs
    string join \n factory k/worker-class= chdir= pythonpath= e/env= root-path= b/bind= backlog= reuse-port m/umask= certfile= keyfile= ca-certs= cert-reqs= tls-min-version= ssl-version= ciphers= no-tls-watch redirect-https= acme-challenge-dir= w/workers= scale-wait= scale-idle= scale-memory= shed-wait= threads= t/timeout= request-timeout= max-requests= max-requests-jitter= max-worker-memory= max-worker-lifetime= max-worker-lifetime-jitter= gc= loop= lifespan= run-before= run-before-timeout= beside= boot-timeout= warm-up= preload refork-after= ready-path= ready-host= reload-surge= rollback-window= rollback-keep= preview-header= preview-allow-ips= canary-cookie= upgrade-mode= upgrade-timeout= shutdown-delay= graceful-timeout= keepalive-drain= reload reload-engine= reload-extra-file= in-process keep-alive= first-byte-timeout= header-timeout= body-timeout= body-min-rate= write-timeout= limit-request-line= limit-request-fields= limit-request-field-size= limit-request-body= limit-concurrency= no-sendfile no-server-header pathsend http2= http-protocols= http2-cleartext= http2-max-concurrent-streams= http2-initial-window-size= http2-max-frame-size= http2-max-header-list-size= ws= ws-max-size= ws-ping-interval= ws-ping-timeout= ws-per-message-deflate= static= static-max-age= sendfile-root= compress= compress-level= compress-min-size= compress-types= compress-credentials forwarded-allow-ips= forwarded-headers= secure-scheme-headers= forwarder-headers= header-map= proxy-protocol= proxy-allow-from= log-level= error-logfile= log-format= capture-output R/enable-stdio-inheritance log-config= log-config-json= logger-class= access-logfile= access-log-format= access-log-sample= access-log-exclude= request-id request-id-header= log-syslog log-syslog-to= log-syslog-prefix= log-syslog-facility= disable-redirect-access-to-syslog statsd-host= statsd-prefix= enable-backlog-metric dogstatsd-tags= admin-bind= control-socket= no-control-socket c/config= p/pid= D/daemon u/user= g/group= initgroups n/name= worker-tmp-dir= spool-limit= check-config print-config print-changed completions= man v/version h/help
end

function __fish_rgun_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rgun_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rgun_using_subcommand
    set -l cmd (__fish_rgun_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c rgun -n "__fish_rgun_needs_command" -s k -l worker-class -d 'The app\'s interface: auto, asgi, wsgi, or a worker class of gunicorn\'s [default: auto]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l chdir -d 'Change to this directory before the app is imported' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l pythonpath -d 'Directories to put before the Python path, separated by commas' -r
complete -c rgun -n "__fish_rgun_needs_command" -s e -l env -d 'Set an environment variable for the app; may be repeated' -r
complete -c rgun -n "__fish_rgun_needs_command" -l root-path -d 'The path under which a proxy mounts the app, for example /api [$SCRIPT_NAME]' -r
complete -c rgun -n "__fish_rgun_needs_command" -s b -l bind -d 'Where to listen: HOST:PORT, [V6]:PORT, :PORT, unix:PATH or fd://N; may be repeated [default: 127.0.0.1:8000] [$PORT]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l backlog -d 'How many connections the kernel keeps waiting [default: 2048]' -r
complete -c rgun -n "__fish_rgun_needs_command" -s m -l umask -d 'Mode bits to withhold from unix sockets [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l certfile -d 'Speak TLS with this certificate chain (PEM); may be repeated, with a --keyfile for each' -r
complete -c rgun -n "__fish_rgun_needs_command" -l keyfile -d 'The private key of the --certfile (PEM, not encrypted); may be repeated, in the same order' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ca-certs -d 'Authorities whose client certificates are accepted (PEM)' -r
complete -c rgun -n "__fish_rgun_needs_command" -l cert-reqs -d 'Whether clients show a certificate: none, optional or required (0, 1, 2) [default: none]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l tls-min-version -d 'The oldest TLS version that is accepted: 1.2 or 1.3 [1.2, 1.3] [default: 1.2]' -r -f -a "1.2\t''
1.3\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l ssl-version -d 'gunicorn\'s name for the oldest TLS version: TLS, TLSv1_2 or TLSv1_3' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ciphers -d 'Cipher suites that are accepted, as OpenSSL writes them; default: all that are available' -r
complete -c rgun -n "__fish_rgun_needs_command" -l redirect-https -d 'Answer plain HTTP with a redirect (308) to https; without PORT to that of the first TLS address' -r
complete -c rgun -n "__fish_rgun_needs_command" -l acme-challenge-dir -d 'Answer /.well-known/acme-challenge/ at plain HTTP addresses from the files in DIR' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -s w -l workers -d 'How many worker processes: a number, auto for one per available CPU, or a range MIN..MAX [default: 1] [$WEB_CONCURRENCY]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l scale-wait -d 'With -w MIN..MAX: add a worker while connections wait longer than this to be accepted [default: 10ms]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l scale-idle -d 'With -w MIN..MAX: remove a worker after so long with less than 40 % of their time busy [default: 60]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l scale-memory -d 'With -w MIN..MAX: what all workers may take together; default: 85 % of the cgroup\'s limit' -r
complete -c rgun -n "__fish_rgun_needs_command" -l shed-wait -d 'Answer requests with 503 that have waited this long while all workers are busy; default: they wait' -r
complete -c rgun -n "__fish_rgun_needs_command" -l threads -d 'Application threads of each WSGI worker [default: 1]' -r
complete -c rgun -n "__fish_rgun_needs_command" -s t -l timeout -d 'Replace a worker that is stuck for this long; 0 never does [default: 30]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l request-timeout -d 'Cancel a request of an ASGI app after this long, with 504 if nothing was sent; default: never' -r
complete -c rgun -n "__fish_rgun_needs_command" -l max-requests -d 'Replace a worker after about this many requests; 0 never does [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l max-requests-jitter -d 'Up to this many requests more, drawn for each worker, so that they do not all go at once [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l max-worker-memory -d 'Replace a worker whose resident memory is more than this, as in 400m; default: never' -r
complete -c rgun -n "__fish_rgun_needs_command" -l max-worker-lifetime -d 'Replace a worker that has served for this long, as in 12h; default: never' -r
complete -c rgun -n "__fish_rgun_needs_command" -l max-worker-lifetime-jitter -d 'Up to this much longer, drawn for each worker [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l gc -d 'When Python\'s full garbage collections run; idle: between requests [default, idle] [default: default]' -r -f -a "default\t''
idle\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l loop -d 'The event loop of ASGI workers; auto is uvloop when it is installed [auto, asyncio, uvloop] [default: auto]' -r -f -a "auto\t''
asyncio\t''
uvloop\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l lifespan -d 'ASGI\'s lifespan events; on: the app must support them, off: they are not sent [auto, on, off] [default: auto]' -r -f -a "auto\t''
on\t''
off\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l run-before -d 'Run this before the first worker starts, as in "python manage.py migrate"; may be repeated' -r
complete -c rgun -n "__fish_rgun_needs_command" -l run-before-timeout -d 'How long each of these commands may take; 0: no limit [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l beside -d 'Run this beside the workers, as in "celery -A site worker"; may be repeated' -r
complete -c rgun -n "__fish_rgun_needs_command" -l boot-timeout -d 'How long a worker may take until it is ready [default: 60]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l warm-up -d 'Load what the app would load with its first request while the worker boots; off: do not [auto, off] [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l refork-after -d 'With --preload: once a worker has answered so many requests, fork all workers anew from it; 0: never [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ready-path -d 'A path that must answer 2xx or 3xx inside a new worker before it counts as ready' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ready-host -d 'The Host header of that request; default: one of Django\'s ALLOWED_HOSTS, else localhost' -r
complete -c rgun -n "__fish_rgun_needs_command" -l reload-surge -d 'On reload, replace this many workers at a time instead of all at once' -r
complete -c rgun -n "__fish_rgun_needs_command" -l rollback-window -d 'Keep the workers of the previous version for this long, for `rgun ctl rollback`; 0: not at all [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l rollback-keep -d 'What is kept for that long: the previous version\'s workers, or with --preload its mold alone [workers, mold] [default: workers]' -r -f -a "workers\t''
mold\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l preview-header -d 'A header field whose requests are served by the version that is staged or a canary' -r
complete -c rgun -n "__fish_rgun_needs_command" -l preview-allow-ips -d 'Clients that --preview-header is meant for: addresses, networks, or * for all [default: 127.0.0.1,::1]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l canary-cookie -d 'A cookie by which each visitor stays with one version during a canary' -r
complete -c rgun -n "__fish_rgun_needs_command" -l upgrade-mode -d 'Whether an upgrade goes on in the same process, or fork: starts a second master, as gunicorn does [in-place, fork] [default: in-place]' -r -f -a "in-place\t''
fork\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l upgrade-timeout -d 'How long the program of an upgrade may take to answer, and then to take over [default: 60]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l shutdown-delay -d 'On TERM, fail the readiness probe and go on accepting for this long before the drain [default: 0]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l graceful-timeout -d 'How long a stopping worker may take to finish its requests [default: 30]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l keepalive-drain -d 'How long a replaced worker keeps idle connections open for a request already on its way [default: 5]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l reload-engine -d 'How changes are detected [auto, inotify, poll] [default: auto]' -r -f -a "auto\t''
inotify\t''
poll\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l reload-extra-file -d 'Reload on changes of this file, directory or pattern, too; may be repeated' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l keep-alive -d 'How long an idle connection stays open; 0 closes after each response [default: 75]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l first-byte-timeout -d 'How long a new connection may stay silent [default: 10]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l header-timeout -d 'How long a request\'s head may take from its first byte [default: 10]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l body-timeout -d 'How long a request\'s body may stand still while the app waits for it [default: 30]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l body-min-rate -d 'What a request\'s body must bring in a second while the app waits for it; 0 for no such limit [default: 100]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l write-timeout -d 'Close the connection if the client reads nothing for this long [default: 30]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l limit-request-line -d 'The longest request line (longer ones get 414); 0 for the most that rgun allows, 1 MiB [default: 8190]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l limit-request-fields -d 'The most header fields (more get 431) [default: 100]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l limit-request-field-size -d 'The longest header field (longer ones get 431); 0 for the most that rgun allows, 1 MiB [default: 8190]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l limit-request-body -d 'The largest request body (larger ones get 413), for example 20m; 0 or absent: any size' -r
complete -c rgun -n "__fish_rgun_needs_command" -l limit-concurrency -d 'The most requests in flight in one worker (more get 503); 0 or absent: any number' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2 -d 'HTTP/2: auto if negotiated by TLS (ALPN), prior-knowledge also without TLS, off never [auto, off, prior-knowledge] [default: auto]' -r -f -a "auto\t''
off\t''
prior-knowledge\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l http-protocols -d 'gunicorn\'s spelling of it: h1, or h2 and h1 separated by commas' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2-cleartext -d 'gunicorn\'s spelling of HTTP/2 without TLS: off or prior-knowledge [default: off]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2-max-concurrent-streams -d 'The most requests that a client may have in flight on one HTTP/2 connection [default: 100]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2-initial-window-size -d 'What a client may send of the body of one HTTP/2 request before the app reads it [default: 64k]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2-max-frame-size -d 'The largest HTTP/2 frame that is accepted, from 16384 to 16777215 [default: 16k]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l http2-max-header-list-size -d 'The most bytes that the header fields of one HTTP/2 request may have, decompressed; 0: 1m [default: 64k]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ws -d 'WebSocket for ASGI apps; off: a handshake is an ordinary GET request [auto, off] [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l ws-max-size -d 'The largest message from a client, decompressed (larger ones get close code 1009) [default: 16m]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ws-ping-interval -d 'How often a ping is sent on each WebSocket; 0: never [default: 20]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ws-ping-timeout -d 'How long after a ping a client may stay silent (close code 1011 after); 0: for ever [default: 20]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l ws-per-message-deflate -d 'Compress messages for clients that offer permessage-deflate: on or off [on, off, true, false] [default: on]' -r -f -a "on\t''
off\t''
true\t''
false\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l static -d 'Serve the files below DIR under PREFIX, without the app; may be repeated' -r
complete -c rgun -n "__fish_rgun_needs_command" -l static-max-age -d 'How long clients may keep a static file whose name has no hash of its content [default: 60]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l sendfile-root -d 'Send files below DIR that the app names with X-Sendfile or X-Accel-Redirect' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l compress -d 'Compress responses of the app with these codings, of gzip and zstd; off by default' -r
complete -c rgun -n "__fish_rgun_needs_command" -l compress-level -d 'From 1, the fastest, to 9, the smallest result [default: 4]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l compress-min-size -d 'Responses that are known to be shorter are not compressed [default: 1024]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l compress-types -d 'Media types that are compressed; * stands for any characters [default: text/*,application/json,application/*+json,application/javascript,application/xml,application/*+xml,application/wasm,image/svg+xml]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l forwarded-allow-ips -d 'Peers whose forwarding headers are trusted: addresses, networks, or * for all [default: 127.0.0.1,::1] [$FORWARDED_ALLOW_IPS]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l forwarded-headers -d 'Which header fields of those peers are used [default: x-forwarded-for,x-forwarded-proto]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l secure-scheme-headers -d 'Which header fields of those peers mean https, and with which value [default: X-Forwarded-Protocol=ssl,X-Forwarded-Proto=https,X-Forwarded-Ssl=on]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l forwarder-headers -d 'Header names with an underscore that those peers may set, for example SCRIPT_NAME' -r
complete -c rgun -n "__fish_rgun_needs_command" -l header-map -d 'What happens to header names with an underscore [drop, refuse, dangerous] [default: drop]' -r -f -a "drop\t''
refuse\t''
dangerous\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l proxy-protocol -d 'Connections of proxies begin with a PROXY header of that version [off, v1, v2, auto] [default: off]' -r -f -a "off\t''
v1\t''
v2\t''
auto\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l proxy-allow-from -d 'Peers that send a PROXY header, where that is on: addresses, networks, or * for all [default: 127.0.0.1,::1]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l log-level -d 'The least severe messages of the error log [debug, info, warning, error, critical] [default: info]' -r -f -a "debug\t''
info\t''
warning\t''
error\t''
critical\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l error-logfile -d 'Where messages go: a file, or - for standard error [default: -]' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l log-format -d 'The format of messages: gunicorn\'s lines, JSON objects, or logfmt [text, json, logfmt] [default: text]' -r -f -a "text\t''
json\t''
logfmt\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l log-config -d 'Configure Python\'s logging in the workers by this file (logging.config.fileConfig)' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l log-config-json -d 'Like --log-config, but a JSON file for logging.config.dictConfig; takes precedence' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l logger-class -d 'gunicorn\'s own, or a subclass that only sets its formats: logs are written without Python [default: gunicorn.glogging.Logger]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l access-logfile -d 'Where a line for each request goes: a file, or - for standard output; absent: nowhere' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l access-log-format -d 'The format of those lines, as with gunicorn, or json, or logfmt [default: %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l access-log-sample -d 'The share of requests that have a line, such as 0.1 or 10%; those with a 5xx always have [default: 1]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l access-log-exclude -d 'Paths that have no lines, such as /healthz,/static/*; may be repeated' -r
complete -c rgun -n "__fish_rgun_needs_command" -l request-id-header -d 'The header field that carries the id [default: X-Request-ID]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l log-syslog-to -d 'Where syslog listens: udp://HOST:PORT, tcp://HOST:PORT or unix://PATH#dgram or #stream [default: udp://localhost:514]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l log-syslog-prefix -d 'The program\'s name in syslog, behind gunicorn.; default: --name, or the app' -r
complete -c rgun -n "__fish_rgun_needs_command" -l log-syslog-facility -d 'The facility in syslog [default: user]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l statsd-host -d 'Send metrics to statsd: HOST[:PORT], or unix://PATH' -r
complete -c rgun -n "__fish_rgun_needs_command" -l statsd-prefix -d 'The prefix of the names of metrics, with a dot' -r
complete -c rgun -n "__fish_rgun_needs_command" -l dogstatsd-tags -d 'Tags of every metric for Datadog, such as env:prod,team:web' -r
complete -c rgun -n "__fish_rgun_needs_command" -l admin-bind -d 'Where to answer probes and show metrics: HOST:PORT or unix:PATH; default: nowhere' -r
complete -c rgun -n "__fish_rgun_needs_command" -l control-socket -d 'Where rgun ctl reaches this server: a unix socket for its own user and root' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -s c -l config -d 'The configuration file: FILE, file:FILE or python:MODULE; .toml is TOML, all else Python' -r
complete -c rgun -n "__fish_rgun_needs_command" -s p -l pid -d 'Write the master\'s process id to this file' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -s u -l user -d 'The user, by name or number, that the workers run as' -r
complete -c rgun -n "__fish_rgun_needs_command" -s g -l group -d 'The group, by name or number, that the workers run as' -r
complete -c rgun -n "__fish_rgun_needs_command" -s n -l name -d 'What the processes are called in ps and top; default: the app' -r
complete -c rgun -n "__fish_rgun_needs_command" -l worker-tmp-dir -d 'Where workers put temporary files: large uploads, large responses to slow clients' -r -F
complete -c rgun -n "__fish_rgun_needs_command" -l spool-limit -d 'The most bytes of one request or response in a temporary file; sixteen times as many in one worker [default: 32m]' -r
complete -c rgun -n "__fish_rgun_needs_command" -l completions -d 'Print a completion script for that shell' -r -f -a "bash\t''
elvish\t''
fish\t''
powershell\t''
zsh\t''"
complete -c rgun -n "__fish_rgun_needs_command" -l factory -d 'Call APP to get the app, as in MODULE:ATTRIBUTE()'
complete -c rgun -n "__fish_rgun_needs_command" -l reuse-port -d 'Give each worker listening sockets of its own (SO_REUSEPORT)'
complete -c rgun -n "__fish_rgun_needs_command" -l no-tls-watch -d 'Load changed certificate files only on SIGHUP and `rgun ctl`'
complete -c rgun -n "__fish_rgun_needs_command" -l preload -d 'Import the app once, in a process that workers are forked from: less memory, fast respawns'
complete -c rgun -n "__fish_rgun_needs_command" -l reload -d 'Reload when a file of the app changes; for development'
complete -c rgun -n "__fish_rgun_needs_command" -l in-process -d 'Serve in the process that was started, without forking; for debuggers and profilers'
complete -c rgun -n "__fish_rgun_needs_command" -l no-sendfile -d 'Do not have the kernel send the files of a WSGI app\'s wsgi.file_wrapper [$SENDFILE]'
complete -c rgun -n "__fish_rgun_needs_command" -l no-server-header -d 'Do not add "server: rgun" to responses; the app\'s own Server header is always sent as it is'
complete -c rgun -n "__fish_rgun_needs_command" -l pathsend -d 'Advertise ASGI\'s http.response.pathsend, with which an app names a file and the kernel sends it'
complete -c rgun -n "__fish_rgun_needs_command" -l compress-credentials -d 'Also compress responses to requests with Authorization or Cookie (see BREACH), padded'
complete -c rgun -n "__fish_rgun_needs_command" -l capture-output -d 'What the app prints goes to the file of --error-logfile'
complete -c rgun -n "__fish_rgun_needs_command" -s R -l enable-stdio-inheritance -d 'With --daemon: keep standard output and error where they are no terminal'
complete -c rgun -n "__fish_rgun_needs_command" -l request-id -d 'Each request has an id: the client\'s own if it is valid, else a new one'
complete -c rgun -n "__fish_rgun_needs_command" -l log-syslog -d 'Send messages and requests to syslog, too'
complete -c rgun -n "__fish_rgun_needs_command" -l disable-redirect-access-to-syslog -d 'Send only messages to syslog, not requests'
complete -c rgun -n "__fish_rgun_needs_command" -l enable-backlog-metric -d 'Send gunicorn.backlog to statsd once a second: connections that wait to be accepted (TCP)'
complete -c rgun -n "__fish_rgun_needs_command" -l no-control-socket -d 'Open no control socket'
complete -c rgun -n "__fish_rgun_needs_command" -s D -l daemon -d 'Leave the terminal and run in the background'
complete -c rgun -n "__fish_rgun_needs_command" -l initgroups -d 'Workers also get the supplementary groups of --user; otherwise they have none'
complete -c rgun -n "__fish_rgun_needs_command" -l check-config -d 'Check all that a start needs and boot the app, then exit: 0 when a start would succeed'
complete -c rgun -n "__fish_rgun_needs_command" -l print-config -d 'Print each setting and where it comes from, then load the app'
complete -c rgun -n "__fish_rgun_needs_command" -l print-changed -d 'As --print-config, but only the settings that differ from their defaults'
complete -c rgun -n "__fish_rgun_needs_command" -l man -d 'Print the manual page, as roff'
complete -c rgun -n "__fish_rgun_needs_command" -s v -l version -d 'Print the version; twice (-vv): with commit and platform'
complete -c rgun -n "__fish_rgun_needs_command" -s h -l help -d 'Print this help (-h: short, --help: long)'
complete -c rgun -n "__fish_rgun_needs_command" -a "ctl" -d 'Inspect and control a running server'
complete -c rgun -n "__fish_rgun_needs_command" -a "init" -d 'Write deployment files for this project'
complete -c rgun -n "__fish_rgun_needs_command" -a "doctor" -d 'Check an installation, its deployment files and a running server'
complete -c rgun -n "__fish_rgun_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "status" -d 'Show the server and its workers'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "top" -d 'Show the server and its workers, redrawn every second'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "reload" -d 'Replace all workers by new ones, and report the result'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "upgrade" -d 'Continue with the program that is installed now, in the same process'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "stage" -d 'Boot a new generation beside the serving one, and hold it'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "canary" -d 'Let a new generation serve in some slots'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "rollback" -d 'Let the previous generation serve again'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "promote" -d 'Let the staged generation, or the canary, serve'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "discard" -d 'Remove the staged generation, or the canary'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "reload-certificates" -d 'Load changed TLS certificates, without a reload'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "scale" -d 'Set the number of workers'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "stop" -d 'Stop the server, and wait until it is gone'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "restart-worker" -d 'Replace one worker, its successor first'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "restart" -d 'Restart one companion (--beside)'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "stacks" -d 'Show where each worker is in its Python code'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "log-level" -d 'Change what the error log shows, without a restart'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "wait-ready" -d 'Wait until every wanted worker serves'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and not __fish_seen_subcommand_from status top reload upgrade stage canary rollback promote discard reload-certificates scale stop restart-worker restart stacks log-level wait-ready wait-idle" -f -a "wait-idle" -d 'Wait until no request is in flight and no worker boots or drains'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -l json -d 'Everything as JSON, for programs'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from status" -l watch -d 'Redraw it every second, until q or Ctrl-C'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from top" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from top" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from top" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from top" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from upgrade" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from upgrade" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from upgrade" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from upgrade" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from upgrade" -l no-reload -d 'Leave the workers as they are'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stage" -s b -l bind -d 'Where the staged generation answers, HOST:PORT or unix:/PATH; may be repeated' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stage" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stage" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stage" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stage" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -l for -d 'How long, as in 90 or 5m; default: until an operator ends it, with --auto 1m' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -l requests -d 'With --auto: judge it once it has answered this many requests; take it back if it answers fewer in its time' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from canary" -l auto -d 'Judge it by its responses'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from rollback" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from rollback" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from rollback" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from rollback" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from promote" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from promote" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from promote" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from promote" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from discard" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from discard" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from discard" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from discard" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload-certificates" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload-certificates" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload-certificates" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from reload-certificates" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from scale" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from scale" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from scale" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from scale" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -l fast -d 'As SIGQUIT: cancel what is running'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stop" -l no-wait -d 'Return as soon as the server is stopping'
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart-worker" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart-worker" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart-worker" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart-worker" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from restart" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stacks" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stacks" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stacks" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from stacks" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from log-level" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from log-level" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from log-level" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from log-level" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-ready" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-ready" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-ready" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-ready" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-idle" -s s -l socket -d 'The server\'s control socket' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-idle" -s n -l name -d 'The server of that name: its --name, or its systemd unit\'s runtime directory' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-idle" -s p -l pid -d 'The server whose master, worker or companion has that pid' -r
complete -c rgun -n "__fish_rgun_using_subcommand ctl; and __fish_seen_subcommand_from wait-idle" -l timeout -d 'How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600' -r
complete -c rgun -n "__fish_rgun_using_subcommand init" -l app -d 'The app, as MODULE:ATTRIBUTE; without it, it is looked for' -r
complete -c rgun -n "__fish_rgun_using_subcommand init" -l name -d 'Of the service, its files and images; without it, the directory\'s' -r
complete -c rgun -n "__fish_rgun_using_subcommand init" -l port -d 'Where the app listens in containers [default: 8000]' -r
complete -c rgun -n "__fish_rgun_using_subcommand init" -l domain -d 'The site\'s host name [default: example.org]' -r
complete -c rgun -n "__fish_rgun_using_subcommand init" -l directory -d 'The project [default: .]' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand init" -l force -d 'Overwrite files of an earlier run'
complete -c rgun -n "__fish_rgun_using_subcommand init" -l print -d 'Print the files instead of writing them'
complete -c rgun -n "__fish_rgun_using_subcommand doctor" -l socket -d 'The control socket of the server; without it, the one that is configured, or the only one there is' -r -F
complete -c rgun -n "__fish_rgun_using_subcommand doctor" -l json -d 'Print the findings as JSON'
complete -c rgun -n "__fish_rgun_using_subcommand doctor" -l no-import -d 'Do not read Django\'s settings, which runs code of the project'
complete -c rgun -n "__fish_rgun_using_subcommand help; and not __fish_seen_subcommand_from ctl init doctor help" -f -a "ctl" -d 'Inspect and control a running server'
complete -c rgun -n "__fish_rgun_using_subcommand help; and not __fish_seen_subcommand_from ctl init doctor help" -f -a "init" -d 'Write deployment files for this project'
complete -c rgun -n "__fish_rgun_using_subcommand help; and not __fish_seen_subcommand_from ctl init doctor help" -f -a "doctor" -d 'Check an installation, its deployment files and a running server'
complete -c rgun -n "__fish_rgun_using_subcommand help; and not __fish_seen_subcommand_from ctl init doctor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "status" -d 'Show the server and its workers'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "top" -d 'Show the server and its workers, redrawn every second'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "reload" -d 'Replace all workers by new ones, and report the result'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "upgrade" -d 'Continue with the program that is installed now, in the same process'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "stage" -d 'Boot a new generation beside the serving one, and hold it'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "canary" -d 'Let a new generation serve in some slots'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "rollback" -d 'Let the previous generation serve again'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "promote" -d 'Let the staged generation, or the canary, serve'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "discard" -d 'Remove the staged generation, or the canary'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "reload-certificates" -d 'Load changed TLS certificates, without a reload'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "scale" -d 'Set the number of workers'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "stop" -d 'Stop the server, and wait until it is gone'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "restart-worker" -d 'Replace one worker, its successor first'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "restart" -d 'Restart one companion (--beside)'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "stacks" -d 'Show where each worker is in its Python code'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "log-level" -d 'Change what the error log shows, without a restart'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "wait-ready" -d 'Wait until every wanted worker serves'
complete -c rgun -n "__fish_rgun_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "wait-idle" -d 'Wait until no request is in flight and no worker boots or drains'
