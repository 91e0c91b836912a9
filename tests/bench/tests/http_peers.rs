//! The peers of the HTTP benches answer as ours does: else counting their requests would prove
//! nothing.

use std::{io, path::Path};

use fsm_bench::{
    http::{Ask, Head},
    load::Work,
    server::Spec,
};

#[test]
fn peers_answer_every_request_with_an_empty_200() -> io::Result<()> {
    let hyper = Spec::built("hyper", Path::new(env!("CARGO_BIN_EXE_hyper_empty")));
    let nginx = Spec::nginx("location / { default_type text/plain; return 200; }");
    for spec in [Spec::c_canned(), hyper, nginx] {
        if let Err(reason) = &spec.program {
            println!("skipped {}: {reason}", spec.name);
            continue;
        }
        let server = spec.start(&[])?;
        for head in [Head::Short, Head::Browser] {
            for at_once in [8, 64] {
                let ask = Ask::empty(head);
                Work::Http { connections: 64, at_once, ask, count: 1_000 }.run(server.address)?;
            }
        }
        server.stop()?;
    }
    Ok(())
}

#[test]
fn a_browsers_request_is_as_long_as_one() {
    let text = Ask::empty(Head::Browser).text(([127, 0, 0, 1], 8080).into());
    assert_eq!(text.lines().count() - 2, 10, "fields");
    assert!((450..550).contains(&text.len()), "{} bytes", text.len());
}
