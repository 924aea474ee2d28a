//! The api as a process of its own.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "verify") {
        arguments.remove(1);
        return verify(arguments).await;
    }
    let config = match ajet_shared::config::parse::<ajet_api::Config>() {
        Ok(config) => config,
        Err(sentence) => {
            eprintln!("ajet-api: {sentence}");
            return ExitCode::from(2);
        }
    };
    ajet_shared::telemetry::init("api");
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    match ajet_api::run(config, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            eprintln!("ajet-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether Postgres, outbox and stream agree: 0 if they do, 1 if not, 2 if it cannot be told.
async fn verify(arguments: Vec<String>) -> ExitCode {
    let compared =
        match ajet_shared::config::parse_from::<ajet_api::VerifyConfig>(arguments, |name| {
            std::env::var(name).ok()
        }) {
            Ok(config) => {
                let report = ajet_api::verify(&config).await;
                report.and_then(|report| {
                    let text = if config.json {
                        serde_json::to_string(&report)?
                    } else {
                        report.to_string()
                    };
                    Ok((report.agree, text))
                })
            }
            Err(sentence) => Err(anyhow::anyhow!(sentence)),
        };
    match compared {
        Ok((agree, text)) => {
            println!("{text}");
            ExitCode::from(u8::from(!agree))
        }
        Err(error) => {
            eprintln!("ajet-api verify: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    shutdown.cancel();
}
