"""What happened at the demo's clients: some thirty pieces of work, in every state."""
# ruff: noqa: E501 - people's words are not cut into pieces

from __future__ import annotations

from msp.demo.telling import (
    Story,
    Volume,
    agree,
    call,
    clear,
    close,
    note,
    say,
    solve,
    take,
    wait,
    worked,
)
from msp.demo.times import Ago, Back
from tickets.enums import Kind, Status, WorkType

PAST = (
    Story(
        Back(31, "09:20"), "ines", "oakfield", "Move the treatment room to the first floor",
        "Owen asked for two network points and the x-ray PC upstairs before the painters come.",
        priority="p4", kind=Kind.CHANGE, contact="owen", device="ODC-SURGERY1",
        steps=(
            say(Back(31, "10:05"), "ines",
                "Hi Owen, we can do it on Thursday from 13:00, when the room is free. Is that right?"),
            worked(Back(29, "15:30"), "samir", 150, "Laid two points, moved the PC and the sensor.",
                   WorkType.ONSITE),
            worked(Back(29, "15:40"), "samir", 50, "Way to Cork and back.", WorkType.TRAVEL),
            solve(Back(29, "16:10"), "samir",
                  "The treatment room works upstairs; Dr Hennessy took a test picture with us."),
            close(Back(27, "09:00"), "owen"),
        ),
    ),
    Story(
        Back(30, "08:25"), "priya", "harbour", "Reception PC stays black after the update",
        "The PC at the front desk does not get past the logo since it updated last night. We check "
        "patients in on paper.",
        priority="p2", contact="priya", device="HDG-RECEPTION1",
        steps=(
            take(Back(30, "08:31"), "ines"),
            call(Back(30, "08:38"), "ines",
                 "Talked Priya through the recovery menu; the last update is being taken back.", 12),
            worked(Back(30, "09:15"), "ines", 35, "Took the update back, blocked it until fixed."),
            solve(Back(30, "09:20"), "ines",
                  "The update broke the display driver. It is gone, and it will not come back before "
                  "the maker has mended it."),
            close(Back(29, "08:10"), "priya"),
        ),
    ),
    Story(
        Back(18, "09:05"), "tom", "harbour", "Second screen in surgery 2 flickers",
        "The patient screen goes black for a second every few minutes. It started on Monday.",
        contact="tom",
        steps=(
            take(Back(18, "09:30"), "samir"),
            say(Back(18, "09:41"), "samir",
                "Hi Tom, could you push both plugs of the cable behind the screen in firmly and tell "
                "me whether it still happens?"),
            wait(Back(18, "09:42"), "samir", Status.WAITING_CLIENT),
            say(Back(18, "12:10"), "tom", "Did that at lunch. It has been steady since, thank you!"),
            worked(Back(18, "13:00"), "samir", 10, "Cable was loose."),
            solve(Back(18, "13:02"), "samir", "The display cable was loose at the screen."),
            close(Back(17, "09:00"), "tom"),
        ),
    ),
    Story(
        Back(17, "10:15"), "mona", "harbour", "New starter on the first: mailbox and practice login",
        "Sofia Lindgren joins reception at Marina Square. Same rights as the other receptionists.",
        priority="p4", kind=Kind.REQUEST, contact="priya",
        steps=(
            take(Back(17, "10:20"), "ines"),
            worked(Back(16, "11:30"), "ines", 40, "Account, mailbox, practice software, MFA."),
            solve(Back(16, "11:35"), "ines",
                  "Sofia's account is ready. Her first password is in a sealed note for Priya."),
            close(Back(15, "08:20"), "priya"),
        ),
    ),
    Story(
        Back(16, "11:50"), "ines", "oakfield", "Card terminal cannot reach the bank",
        "Lena rang: every payment ends with “no connection”.",
        priority="p2", contact="lena", phone=True,
        steps=(
            take(Back(16, "11:51"), "ines"),
            worked(Back(16, "12:30"), "ines", 35, "Terminal had a fixed address of the old router."),
            solve(Back(16, "12:32"), "ines",
                  "The terminal still used an address of the old router. It gets one by itself now."),
            close(Back(14, "10:00"), "owen"),
        ),
    ),
    Story(
        Back(15, "08:40"), "priya", "harbour", "X-ray sensor not found in surgery 1",
        "The imaging program says “no sensor”. Two patients wait for pictures this morning.",
        priority="p2", contact="priya", device="HDG-SURGERY1",
        steps=(
            take(Back(15, "08:47"), "samir"),
            say(Back(15, "08:52"), "samir",
                "Hi Priya, I am on my way with a spare sensor and should be there by 09:30. Until "
                "then surgery 2 can take pictures with the old unit."),
            worked(Back(15, "11:00"), "samir", 90, "USB hub dead; sensor is fine. New hub.",
                   WorkType.ONSITE),
            worked(Back(15, "11:05"), "samir", 40, "Way there and back.", WorkType.TRAVEL),
            solve(Back(15, "11:10"), "samir",
                  "The USB hub behind the chair was broken. The sensor hangs on a new one."),
            close(Back(14, "08:15"), "priya"),
        ),
    ),
    Story(
        Back(13, "14:20"), "owen", "oakfield", "Appointment book freezes for a minute at a time",
        "Several times a day everybody's appointment book stands still, then it goes on as if "
        "nothing had been.",
        contact="owen", device="ODC-SRV01",
        steps=(
            take(Back(13, "14:50"), "ines"),
            say(Back(13, "15:05"), "ines",
                "Hi Owen, the server waits for its database at those times. I have sent the traces to "
                "the maker of the software and will write again tomorrow morning."),
            wait(Back(13, "15:10"), "ines", Status.WAITING_VENDOR),
            note(Back(12, "09:30"), "ines",
                 "Maker's case 88213: index of the appointments is broken, tool to follow."),
            say(Back(12, "09:40"), "ines",
                "Good news: they know the fault. We run their repair tonight after closing."),
            worked(Back(11, "09:10"), "ines", 45, "Ran the repair, watched the morning."),
            solve(Back(11, "12:10"), "ines",
                  "The appointment index was repaired last night; the book did not freeze again."),
            close(Back(10, "09:30"), "owen"),
        ),
    ),
    Volume(
        Back(12, "16:05"), "HDG-SRV01", "D:", 0.93, 14.2,
        steps=(
            take(Back(12, "16:12"), "samir"),
            note(Back(12, "16:20"), "samir",
                 "Old shadow copies of the imaging archive, 96 GB. Priya agrees to drop them."),
            worked(Back(12, "17:02"), "samir", 50, "Dropped shadow copies, moved two years of x-rays."),
            clear(Back(12, "17:05")),
            solve(Back(12, "17:08"), "samir",
                  "Room was made on D: by dropping old shadow copies; the archive moved to the NAS."),
        ),
    ),
    Story(
        Back(10, "09:35"), "tom", "harbour", "Cannot open the referral letters folder",
        "It says I have no permission. I could open it last week.",
        contact="tom",
        steps=(
            take(Back(10, "09:48"), "ines"),
            say(Back(10, "09:55"), "ines",
                "Hi Tom, you were missing in the new group after Friday's change. Please sign out and "
                "in again; then it opens."),
            worked(Back(10, "10:00"), "ines", 10, "Added to group."),
            solve(Back(10, "10:20"), "ines", "You are in the right group again."),
            close(Back(9, "08:30"), "tom"),
        ),
    ),
    Story(
        Back(9, "10:10"), "samir", "oakfield", "Move two phones to the new treatment room",
        "Owen would like both handsets upstairs before the rooms open on Monday.",
        priority="p4", kind=Kind.REQUEST, contact="owen",
        steps=(
            say(Back(9, "10:30"), "samir", "Hi Owen, we come tomorrow at 14:00 if that suits."),
            say(Back(9, "11:05"), "owen", "That suits, the rooms are free all afternoon."),
            worked(Back(8, "15:20"), "samir", 75, "Moved two phones, patched, labelled.",
                   WorkType.ONSITE),
            solve(Back(8, "15:25"), "samir", "Both phones ring upstairs; the numbers stay the same."),
            close(Back(7, "09:15"), "owen"),
        ),
    ),
    Story(
        Back(8, "08:55"), "ines", "harbour", "Locked out after the holidays",
        "Sofia typed her password wrong too often.",
        contact="sofia", phone=True,
        steps=(
            take(Back(8, "08:56"), "ines"),
            worked(Back(8, "09:02"), "ines", 5, "Unlocked, new password."),
            solve(Back(8, "09:03"), "ines", "Unlocked on the phone; Sofia chose a new password."),
            close(Back(6, "09:00"), "ines"),
        ),
    ),
    Story(
        Back(6, "08:12"), "owen", "oakfield", "No internet at Oakfield House",
        "Nothing works: no bookings, no card payments, phones dead. Please ring my mobile.",
        priority="p1", contact="owen", device="ODC-SRV01",
        steps=(
            take(Back(6, "09:06"), "samir"),
            call(Back(6, "09:12"), "samir",
                 "Provider has an outage in the street. Switched the router to the mobile line.", 9),
            worked(Back(6, "10:05"), "samir", 55, "Mobile line, then back on fibre."),
            say(Back(6, "10:10"), "samir",
                "You are on the mobile line now: bookings and payments work, calls go over mobiles. "
                "The provider says it mends the fibre by noon."),
            note(Back(6, "12:20"), "samir", "Fibre back at 12:08, no loss for ten minutes."),
            solve(Back(6, "12:30"), "samir",
                  "The provider mended a cut cable in the street at 12:08. You are back on fibre."),
        ),
    ),
    Story(
        Back(5, "15:10"), "owen", "oakfield", "Our invoices land in the junk folder of a supplier",
        "The laboratory says all our mails are marked as junk since last week.",
        contact="owen",
        steps=(
            take(Back(5, "15:40"), "ines"),
            say(Back(5, "16:05"), "ines",
                "Hi Owen, a record that proves your mails are yours has run out at the domain host. I "
                "have put it right; it takes until tomorrow to be seen everywhere."),
            worked(Back(5, "16:10"), "ines", 30, "DKIM record renewed, reports checked."),
            solve(Back(3, "09:30"), "ines",
                  "The laboratory got your mails in its inbox yesterday and today."),
        ),
    ),
)  # fmt: skip

OPEN = (
    Story(
        Back(4, "11:00"), "mona", "harbour", "Replace the switch at Marina Square",
        "It is seven years old and lost two ports. The new one lies here; needs half an hour without "
        "network, so before opening.",
        priority="p3", kind=Kind.CHANGE, contact="priya",
        steps=(
            take(Back(4, "11:05"), "samir"),
            say(Back(4, "11:20"), "samir",
                "Hi Priya, may we come before opening one morning next week? It takes half an hour."),
            say(Back(4, "13:45"), "priya", "Any day but Monday. The alarm is off from 07:15."),
            agree(Back(4, "14:00"), "samir", 5),
        ),
    ),
    Story(
        Back(3, "10:25"), "priya", "harbour", "Old laptop goes back to the leasing firm",
        "They want it wiped and the asset tag noted. Courier comes when we ring.",
        priority="p4", kind=Kind.REQUEST, contact="priya",
        steps=(
            take(Back(3, "10:50"), "ines"),
            say(Back(3, "11:02"), "ines",
                "Hi Priya, could you tell us the number on the silver tag at the underside? Then we "
                "wipe exactly that one from here."),
            wait(Back(3, "11:03"), "ines", Status.WAITING_CLIENT),
        ),
    ),
    Story(
        Back(3, "13:30"), "lena", "oakfield", "Imaging program crashes when a scan is imported",
        "Every second scan. The program closes without a word.",
        contact="lena",
        steps=(
            take(Back(3, "13:50"), "samir"),
            say(Back(3, "14:10"), "samir",
                "Hi Lena, the crash comes from the scanner's driver. I have opened a case with its "
                "maker; please scan at the surgery PC until then, where the older driver works."),
            worked(Back(3, "14:40"), "samir", 30, "Crash dumps, case with the maker."),
            wait(Back(3, "14:41"), "samir", Status.WAITING_VENDOR),
            note(Back(1, "15:30"), "samir", "Case 4471-B: fixed driver promised for this week."),
            say(Back(1, "15:36"), "samir",
                "Hi Lena, the maker has the fault and promises a driver this week. I put it on your PC "
                "the same day."),
        ),
    ),
    Story(
        Back(2, "09:15"), "priya", "harbour", "Wi-Fi in the waiting room is slow after eleven",
        "Patients complain, and our tablet for forms hangs.",
        contact="priya", device="HDG-FW01",
        steps=(
            take(Back(2, "09:40"), "ines"),
            say(Back(2, "09:52"), "ines",
                "Hi Priya, guests may use up the whole line today. I am giving them a share of it and "
                "your own tablets the rest; please watch it tomorrow."),
            worked(Back(2, "10:20"), "ines", 25, "Guest limit, channel plan."),
            solve(Back(1, "15:45"), "ines",
                  "Guests share 30 Mbit/s now. The tablet kept its speed yesterday and today."),
        ),
    ),
    Story(
        Back(2, "14:05"), "ines", "own", "Renew the certificate of the support portal",
        "Runs out in 24 days; the automatic renewal waits for the new DNS key.",
        priority="p4", kind=Kind.CHANGE,
        steps=(
            take(Back(2, "14:06"), "ines"),
            call(Back(2, "14:20"), "ines", "Asked the DNS host for the new key; it comes by post.", 6),
            agree(Back(2, "14:30"), "ines", 12),
        ),
    ),
    Story(
        Back(1, "09:10"), "tom", "harbour", "Mail keeps asking for a password",
        "On the surgery PC only. My phone is fine.",
        contact="tom",
        steps=(
            take(Back(1, "09:26"), "ines"),
            say(Back(1, "09:34"), "ines",
                "Hi Tom, please choose “Sign out everywhere” in the mail program once, then sign in "
                "with the code from your phone."),
            wait(Back(1, "09:35"), "ines", Status.WAITING_CLIENT),
            say(Back(1, "12:50"), "tom",
                "Did that. It was quiet for two hours and now it asks again."),
            worked(Back(1, "13:30"), "ines", 20, "Sign-in log: old token of the scanner app."),
        ),
    ),
    Story(
        Back(1, "11:35"), "owen", "oakfield", "New starter on Monday: laptop and two mailboxes",
        "Grace Whelan, hygienist. She starts at 08:30; can her desk be ready the evening before?",
        priority="p4", kind=Kind.REQUEST, contact="owen",
    ),
    Story(
        Back(1, "15:20"), "samir", "oakfield", "Calls break up in the consulting room",
        "Dr Hennessy rang: the other side hears every second word, video stands still.",
        contact="ruth", device="ODC-LT-HENNESSY", phone=True,
        steps=(
            take(Back(1, "15:21"), "samir"),
            worked(Back(1, "15:50"), "samir", 25, "Weak Wi-Fi; laptop on cable for now."),
            say(Back(1, "15:55"), "samir",
                "Hi Dr Hennessy, on the cable the calls are clean. We measure the Wi-Fi when the room "
                "is free and suggest a place for one more access point."),
        ),
    ),
    Story(
        Ago(310), "tom", "harbour", "Picture of the mouth camera is dark in surgery 2",
        "With the light at full it is still too dark to show patients anything.",
        contact="tom",
        steps=(
            take(Ago(292), "samir"),
            say(Ago(281), "samir",
                "Hi Tom, is the little ring on the handpiece turned to the white dot? If not, please "
                "try that first."),
            say(Ago(240), "tom", "It is on the white dot. The lens is clean, too."),
            note(Ago(205), "samir", "Spare handpiece in the store; take it along to Marina Square."),
        ),
    ),
    Story(
        Ago(200), "ines", "harbour", "Dr Farrell cannot sign prescriptions",
        "“Certificate not valid” since this morning, on her laptop only.",
        priority="p2", contact="niamh", device="HDG-LT-FARRELL", phone=True,
        steps=(
            take(Ago(199), "ines"),
            worked(Ago(150), "ines", 40, "Token renewed at the authority, waits for approval."),
            say(Ago(112), "ines",
                "Dr Farrell, the authority has your new certificate in its hands and usually answers "
                "within two hours. Until then your colleague can sign with hers."),
        ),
    ),
    Story(
        Ago(140), "lena", "oakfield", "Label printer at reception prints every label twice",
        "A restart helped for an hour, now it is back.",
        contact="lena",
    ),
    Story(
        Ago(78), "priya", "harbour", "Practice software does not start at Marina Square",
        "All three PCs say “licence server not found”. We cannot see today's patients.",
        priority="p1", contact="priya", device="HDG-SRV01",
        steps=(
            take(Ago(74), "samir"),
            call(Ago(70), "samir",
                 "Licence service on the server hangs; restarting it. Marina works on paper.", 6),
            say(Ago(17), "samir",
                "The licence service runs again and two of three PCs are in. I stay on the third."),
        ),
    ),
    Story(
        Ago(44), "priya", "harbour", "Scan to e-mail stopped: sign-in refused",
        "The big copier says the mail host refuses it. Letters pile up.",
        priority="p2", contact="priya",
    ),
    Volume(
        Ago(27), "ODC-SRV01", "C:", 0.94, 7.3,
    ),
    Story(
        Ago(13), "owen", "oakfield", "Website form sends us no appointment requests",
        "The last one came yesterday at noon; normally there are ten a day.",
        contact="owen",
    ),
)  # fmt: skip
