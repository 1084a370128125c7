//! What a proxy in front could read differently is refused: every payload whole and byte by byte, with a second request
//! behind it that must never be seen.

use rgun::http::{
    Policy,
    Refusal::{self, *},
    UnderscorePolicy,
};

use crate::support::*;

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Refused at the head.
const HEADS: &[(&[u8], Refusal)] = &[
    // Content-Length and Transfer-Encoding together: CL.TE, TE.CL, TE.TE
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", LengthAndEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", LengthAndEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", LengthAndEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\n", LengthAndEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\nTRANSFER-ENCODING: gzip, chunked\r\n\r\n", LengthAndEncoding),
    (b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", LengthAndEncoding),
    // Transfer-Encoding that is not exactly chunked
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: 'chunked'\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked foo\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xffchunked\r\n\r\n", BadTransferEncoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", UnknownTransferCoding),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x0c\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer\xadEncoding: chunked\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nX: x\nTransfer-Encoding: chunked\r\n\r\n", BareLineFeed),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", EncodingInHttp10),
    (b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", EncodingInHttp10),
    // Content-Length
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length:\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 0\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5_0\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999999999\r\n\r\n", BadContentLength),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\x00\r\n\r\n", BadField),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\x0b\r\n\r\n", BadField),
    // Line ends, folding, names
    (b"GET / HTTP/1.1\nHost: a\n\n", BareLineFeed),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", BareLineFeed),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", BareLineFeed),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", BareLineFeed),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n", BareLineFeed),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLineFeed),
    (b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLineFeed),
    (b"GET / HTTP/1.1\rHost: a\r\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tfolded\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[0m\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\n(X): y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\"X\": y\r\n\r\n", BadField),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", BadField),
    // Host
    (b"GET / HTTP/1.1\r\n\r\n", HostMissing),
    (b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", HostMissing),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", HostMissing),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HostRepeated),
    (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HostRepeated),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HostRepeated),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: \xffa\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.1\r\nHost: <a>\r\n\r\n", HostInvalid),
    (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", HostInvalid),
    // The request line
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET /\r\n\r\n", BadRequestLine),
    (b"GET\r\n\r\n", BadRequestLine),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/1.\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/11.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"GET / ICE/1.0\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BadRequestLine),
    (b"\x00GET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    (b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
    (b"GE\"T / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
    (b"G(T) / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
    (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
    (b"Get / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
    (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"GET gopher://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
    (b"AVERYLONGMETHODTHATNOBODYHASEVERSEEN / HTTP/1.1\r\nHost: a\r\n\r\n", MethodTooLong),
    (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", ConnectUnsupported),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", UnsupportedVersion),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", UnsupportedVersion),
    (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", UnsupportedVersion),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UnsupportedVersion),
    // Expectations
    (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\n", UnknownExpectation),
    (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n\r\n", UnknownExpectation),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n", UnknownExpectation),
];

/// Refused inside the body, after `POST / HTTP/1.1`, Host and `Transfer-Encoding: chunked`.
const CHUNKS: &[(&[u8], Refusal)] = &[
    (b"\r\n", BadChunk),
    (b"g\r\n", BadChunk),
    (b"-5\r\nhello\r\n", BadChunk),
    (b"+5\r\nhello\r\n", BadChunk),
    (b"0x5\r\nhello\r\n", BadChunk),
    (b"5h\r\nhello\r\n", BadChunk),
    (b" 5\r\nhello\r\n", BadChunk),
    (b"5 \r\nhello\r\n", BadChunk),
    (b"5\t\r\nhello\r\n", BadChunk),
    (b"5;a \r\nhello\r\n", BadChunk),
    (b"5 a;b\r\nhello\r\n", BadChunk),
    (b"5_0\r\nhello\r\n", BadChunk),
    (b"5\x00\r\nhello\r\n", BadChunk),
    (b"ffffffffffffffff\r\nhello\r\n", BadChunk),
    (b"8000000000000000\r\nhello\r\n", BadChunk),
    (b"10000000000000005\r\nhello\r\n", BadChunk),
    (b"00000000000000005\r\nhello\r\n", BadChunk),
    (b"5;\r\nhello\r\n", BadChunk),
    (b"5;a=\r\nhello\r\n", BadChunk),
    (b"5;=b\r\nhello\r\n", BadChunk),
    (b"5;a=\"b\r\nhello\r\n", BadChunk),
    (b"5;a\x00b\r\nhello\r\n", BadChunk),
    (b"5;a\rb\r\nhello\r\n", BadChunk),
    (b"5;a=\"\r\"\r\nhello\r\n", BadChunk),
    (b"5;a=\"\\\x00\"\r\nhello\r\n", BadChunk),
    (b"5;a b\r\nhello\r\n", BadChunk),
    (b"5\nhello\r\n", BareLineFeed),
    (b"5;a\nhello\r\n", BareLineFeed),
    (b"5\rhello\r\n", BadChunk),
    (b"5\r\nhello\n0\r\n\r\n", BadChunk),
    (b"5\r\nhello\r0\r\n\r\n", BadChunk),
    (b"5\r\nhello0\r\n\r\n", BadChunk),
    (b"5\r\nhello!\r\n0\r\n\r\n", BadChunk),
    (b"5\r\nhello\r\n\r\n0\r\n\r\n", BadChunk),
    (b"0\n\n", BareLineFeed),
    (b"0\r\n\n", BareLineFeed),
    (b"0\r\nA: b\n\r\n", BareLineFeed),
    (b"0\r\nA\r\n\r\n", BadTrailer),
    (b"0\r\n: b\r\n\r\n", BadTrailer),
    (b"0\r\nA : b\r\n\r\n", BadTrailer),
    (b"0\r\nA: b\r\n folded\r\n\r\n", BadTrailer),
    (b"0\r\nA: \x00\r\n\r\n", BadTrailer),
    (b"0\r\nA: b\rc\r\n\r\n", BadTrailer),
    (b"0\r\nContent-Length: 5\r\n\r\n", BadTrailer),
    (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", BadTrailer),
    (b"0\r\nHost: b\r\n\r\n", BadTrailer),
    (b"0\r\nGET /admin HTTP/1.1\r\nHost: b\r\n\r\n", BadTrailer),
];

fn check(payload: &[u8], refusal: Refusal, requests: usize) {
    let bytes = [payload, SMUGGLED].concat();
    let whole = converse(Policy::default(), [&bytes[..]]);
    let dripping = converse(Policy::default(), bytes.chunks(1));
    let name = payload.escape_ascii();
    assert_eq!(whole, dripping, "{name}");
    assert!(
        whole.ends_with(&[Said::Refused(refusal), Said::Closed]),
        "{name}: {whole:?}"
    );
    let seen = whole
        .iter()
        .filter(|said| matches!(said, Said::Request { .. }))
        .count();
    assert_eq!(seen, requests, "{name}: {whole:?}");
    assert!(!whole.contains(&Said::EndOfBody), "{name}: {whole:?}");
}

#[test]
fn heads() {
    for &(payload, refusal) in HEADS {
        check(payload, refusal, 0);
    }
}

#[test]
fn chunks() {
    for &(payload, refusal) in CHUNKS {
        let head = with_fields("Transfer-Encoding: chunked\r\n");
        check(&[&head[..], payload].concat(), refusal, 1);
        // Had the wrong part been read over, this would end the body.
        check(
            &[
                &head[..],
                payload,
                b"0

",
            ]
            .concat(),
            refusal,
            1,
        );
    }
}

/// A second head that is wrong ends the connection after the first answer, and nothing behind it is read.
#[test]
fn behind_a_good_request() {
    for &(payload, refusal) in HEADS {
        if payload.starts_with(b"\r") || payload.starts_with(b"\n") {
            continue; // an empty line is tolerated in front of each request
        }
        check(&[GET, payload].concat(), refusal, 1);
    }
}

/// Bytes of a body that look like a request are a body.
#[test]
fn bodies_that_look_like_requests() {
    for framed in [
        [
            &with_fields(&format!("Content-Length: {}\r\n", SMUGGLED.len()))[..],
            SMUGGLED,
        ]
        .concat(),
        [
            &with_fields("Transfer-Encoding: chunked\r\n")[..],
            b"23\r\n",
            SMUGGLED,
            b"\r\n0\r\n\r\n",
        ]
        .concat(),
        [
            &with_fields("Transfer-Encoding: Chunked\r\n")[..],
            b"023;a=\"b;c\\\"\" ; d\r\n",
            SMUGGLED,
            b"\r\n000\r\n\r\n",
        ]
        .concat(),
    ] {
        let log = converse(Policy::default(), [&framed[..], GET]);
        let [
            Said::Request { .. },
            Said::Body(body),
            Said::EndOfBody,
            Said::Request { path, .. },
            Said::Closed,
        ] = &log[..]
        else {
            panic!("{log:?}")
        };
        assert_eq!((&body[..], &path[..]), (SMUGGLED, &b"/"[..]));
    }
}

#[test]
fn trailers_never_become_headers() {
    let bytes = [
        &with_fields("Transfer-Encoding: chunked\r\n")[..],
        b"5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n\r\n",
        GET,
    ]
    .concat();
    let log = converse(Policy::default(), bytes.chunks(1));
    let [
        Said::Request { fields: first, .. },
        Said::Body(_),
        Said::EndOfBody,
        Said::Request { fields: second, .. },
        Said::Closed,
    ] = &log[..]
    else {
        panic!("{log:?}")
    };
    assert_eq!((first.len(), second.len()), (2, 1));
}

#[test]
fn names_with_underscores() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\nContent_Length: 5\r\nX-Forwarded-For: 1.1.1.1\r\nTransfer_Encoding: chunked\r\n\r\n";
    let fields = |header_map| {
        let log = converse(
            Policy {
                header_map,
                ..Policy::default()
            },
            [&bytes[..]],
        );
        match &log[0] {
            Said::Request { fields, .. } => Ok(fields
                .iter()
                .map(|(name, _)| String::from_utf8(name.clone()).unwrap())
                .collect::<Vec<_>>()),
            Said::Refused(refusal) => Err(*refusal),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        fields(UnderscorePolicy::Drop).unwrap(),
        ["host", "x-forwarded-for"]
    );
    assert_eq!(
        fields(UnderscorePolicy::Dangerous).unwrap(),
        [
            "host",
            "x_forwarded_for",
            "content_length",
            "x-forwarded-for",
            "transfer_encoding"
        ]
    );
    assert_eq!(fields(UnderscorePolicy::Refuse), Err(UnderscoreInName));
}
