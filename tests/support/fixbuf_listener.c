// SPDX-License-Identifier: BSD-3-Clause
// A small collector on libfixbuf, a foreign judge for the tests: it decodes every record with the
// templates that were sent and writes one JSON object a record, then one line of totals on standard
// output.
//
//   fixbuf_listener udp|tcp PORT OUT.json [--idle SECONDS]
//
// Ends on SIGTERM, SIGINT, or when nothing has come for the idle time after the first message (10
// seconds; before the first message: six times that). Exit code 0: everything was decoded; 1:
// libfixbuf reported an error or a warning (a missing template, a broken message, a gap in the
// sequence numbers); 2: wrong use. Values: numbers as numbers, IPv4, IPv6 and MAC addresses as
// text, everything else as hexadecimal octets.
#include <arpa/inet.h>
#include <fixbuf/public.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kElementsMax = 256, kRecordOctetsMax = 65536 };

struct field {
    char name[64];
    uint16_t octets; // in the internal record
    uint8_t type;
    gboolean variable;
};

// How records of one external template look after libfixbuf has decoded them; lives as long as the
// program.
struct layout {
    uint16_t internal_id;
    gboolean options;
    uint32_t field_count;
    struct field fields[kElementsMax];
};

static fbListener_t* listener;
static atomic_int stopping;
static atomic_long last_activity_s;
static atomic_int seen_any;
static unsigned warnings;
static unsigned long long records, options_records, packets, octets, reverse_packets,
    reverse_octets, messages;
static GHashTable* layouts; // "session elements..." -> struct layout
static FILE* out;

static long now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void on_signal(int signal_number) {
    (void)signal_number;
    atomic_store(&stopping, 1);
    fbListenerInterrupt(listener);
}

// libfixbuf says what it does not like about a message through glib's log.
static void on_log(const gchar* domain, GLogLevelFlags level, const gchar* message,
                   gpointer context) {
    (void)domain;
    (void)context;
    if (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) {
        warnings++;
        fprintf(stderr, "libfixbuf warns: %s\n", message);
    }
}

static gpointer watch_idle(gpointer seconds) {
    const long idle_s = GPOINTER_TO_INT(seconds);
    while (!atomic_load(&stopping)) {
        g_usleep(200 * 1000);
        const long quiet_s = now_s() - atomic_load(&last_activity_s);
        if (quiet_s >= (atomic_load(&seen_any) ? idle_s : idle_s * 6)) {
            atomic_store(&stopping, 1);
            fbListenerInterrupt(listener);
        }
    }
    return NULL;
}

static gboolean is_number(uint8_t type) {
    return (type >= FB_UINT_8 && type <= FB_INT_64) || type == FB_BOOL ||
           (type >= FB_DT_SEC && type <= FB_DT_NANOSEC);
}

static void append_field(struct layout* layout, GArray* specifiers, fbInfoElement_t* element) {
    struct field* field = &layout->fields[layout->field_count++];
    const fbInfoElement_t* canonical = element->ref.canon;
    if (strcmp(canonical->ref.name, "_alienInformationElement") == 0)
        g_snprintf(field->name, sizeof field->name, "e%uid%u", element->ent, element->num);
    else
        g_strlcpy(field->name, canonical->ref.name, sizeof field->name);
    field->type = canonical->type;
    field->variable = element->len == FB_IE_VARLEN;
    // Reduced-size numbers are widened by libfixbuf to what the element's type has.
    field->octets = is_number(canonical->type) ? canonical->len : element->len;
    fbInfoElement_t internal = *element;
    internal.len = field->octets;
    g_array_append_val(specifiers, internal);
    if (field->variable) field->octets = sizeof(fbVarfield_t);
}

static struct layout* make_layout(fbSession_t* session, fbTemplate_t* external) {
    struct layout* layout = calloc(1, sizeof *layout);
    fbTemplate_t* internal = fbTemplateAlloc(fbSessionGetInfoModel(session));
    GArray* elements = g_array_new(FALSE, FALSE, sizeof(fbInfoElement_t));
    GError* error = NULL;
    layout->options = fbTemplateGetOptionsScope(external) != 0;
    // Options records are counted, that is all: their first scope field will do.
    const uint32_t wanted = layout->options ? 1 : fbTemplateCountElements(external);
    for (uint32_t i = 0; i < wanted && i < kElementsMax; ++i)
        append_field(layout, elements, fbTemplateGetIndexedIE(external, i));
    for (guint i = 0; i < elements->len; ++i)
        if (!fbTemplateAppend(internal, &g_array_index(elements, fbInfoElement_t, i), &error))
            g_error("%s", error->message);
    if (layout->options) fbTemplateSetOptionsScope(internal, 1);
    layout->internal_id = fbSessionAddTemplate(session, TRUE, FB_TID_AUTO, internal, &error);
    if (!layout->internal_id) g_error("%s", error->message);
    g_array_free(elements, TRUE);
    return layout;
}

static void on_template(fbSession_t* session, uint16_t id, fbTemplate_t* external, void* context,
                        void** template_context, fbTemplateCtxFree_fn* free_function) {
    (void)id;
    (void)context;
    *free_function = NULL;
    GString* signature = g_string_new(NULL);
    g_string_printf(signature, "%p", (void*)session);
    for (uint32_t i = 0; i < fbTemplateCountElements(external); ++i) {
        const fbInfoElement_t* element = fbTemplateGetIndexedIE(external, i);
        g_string_append_printf(signature, " %u/%u[%u]", element->ent, element->num, element->len);
    }
    struct layout* layout = g_hash_table_lookup(layouts, signature->str);
    if (!layout) {
        layout = make_layout(session, external);
        g_hash_table_insert(layouts, g_strdup(signature->str), layout);
    }
    g_string_free(signature, TRUE);
    *template_context = layout;
}

static uint64_t load_number(const uint8_t* value, uint16_t length) {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (length) {
        case 1:
            memcpy(&one, value, 1);
            return one;
        case 2:
            memcpy(&two, value, 2);
            return two;
        case 4:
            memcpy(&four, value, 4);
            return four;
        case 8:
            memcpy(&eight, value, 8);
            return eight;
        default:
            g_error("a number of %u octets", length);
            return 0;
    }
}

static void print_hexadecimal(const uint8_t* value, size_t length, const char* separator) {
    for (size_t i = 0; i < length; ++i)
        fprintf(out, "%s%02x", i ? separator : "", value[i]);
}

static void print_value(const struct field* field, const uint8_t* value) {
    char text[INET6_ADDRSTRLEN];
    uint32_t ipv4;
    fbVarfield_t variable;
    if (is_number(field->type)) {
        fprintf(out, "%llu", (unsigned long long)load_number(value, field->octets));
        return;
    }
    fputc('"', out);
    if (field->variable) {
        memcpy(&variable, value, sizeof variable);
        print_hexadecimal(variable.buf, variable.len, "");
    } else if (field->type == FB_IP4_ADDR) {
        memcpy(&ipv4, value, sizeof ipv4);
        ipv4 = htonl(ipv4);
        fputs(inet_ntop(AF_INET, &ipv4, text, sizeof text), out);
    } else if (field->type == FB_IP6_ADDR) {
        fputs(inet_ntop(AF_INET6, value, text, sizeof text), out);
    } else {
        print_hexadecimal(value, field->octets, field->type == FB_MAC_ADDR ? ":" : "");
    }
    fputc('"', out);
}

static void add_total(const struct field* field, const uint8_t* value) {
    if (!is_number(field->type)) return;
    const uint64_t number = load_number(value, field->octets);
    if (!strcmp(field->name, "packetDeltaCount") || !strcmp(field->name, "packetTotalCount"))
        packets += number;
    if (!strcmp(field->name, "octetDeltaCount") || !strcmp(field->name, "octetTotalCount"))
        octets += number;
    if (!strcmp(field->name, "reversePacketDeltaCount") ||
        !strcmp(field->name, "reversePacketTotalCount"))
        reverse_packets += number;
    if (!strcmp(field->name, "reverseOctetDeltaCount") ||
        !strcmp(field->name, "reverseOctetTotalCount"))
        reverse_octets += number;
}

static void print_record(const struct layout* layout, const uint8_t* record, uint16_t template_id,
                         fBuf_t* buffer) {
    fprintf(out, "{\"template\":%u,\"domain\":%u,\"exportTime\":%u", template_id,
            fbSessionGetDomain(fBufGetSession(buffer)), fBufGetExportTime(buffer));
    for (uint32_t i = 0; i < layout->field_count; ++i) {
        const struct field* field = &layout->fields[i];
        fprintf(out, ",\"%s\":", field->name);
        print_value(field, record);
        add_total(field, record);
        record += field->octets;
    }
    fputs("}\n", out);
    records++;
}

// Reads to the end of one message; FALSE when the session is over.
static gboolean read_message(fBuf_t* buffer) {
    static uint8_t record[kRecordOctetsMax];
    GError* error = NULL;
    fBufSetAutomaticMode(buffer, FALSE);
    for (;;) {
        uint16_t id = 0;
        size_t length = sizeof record;
        fbTemplate_t* external = fBufNextCollectionTemplate(buffer, &id, &error);
        const struct layout* layout = external ? fbTemplateGetContext(external) : NULL;
        if (!layout || !fBufSetInternalTemplate(buffer, layout->internal_id, &error) ||
            !fBufNext(buffer, record, &length, &error))
            break;
        if (layout->options)
            options_records++;
        else
            print_record(layout, record, id, buffer);
    }
    const gboolean end_of_message = g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_EOM);
    const gboolean end_of_session = g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_EOF);
    if (end_of_message) messages++;
    if (!end_of_message && !end_of_session && !atomic_load(&stopping)) {
        warnings++;
        fprintf(stderr, "libfixbuf fails: %s\n",
                error ? error->message : "a record without a template");
    }
    g_clear_error(&error);
    return end_of_message;
}

static void collect(void) {
    GError* error = NULL;
    while (!atomic_load(&stopping)) {
        fBuf_t* buffer = fbListenerWait(listener, &error);
        if (!buffer) {
            if (!atomic_load(&stopping) &&
                !g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_NLREAD)) {
                warnings++;
                fprintf(stderr, "libfixbuf fails: %s\n",
                        error ? error->message : "no reason given");
            }
            g_clear_error(&error);
            continue;
        }
        atomic_store(&seen_any, 1);
        atomic_store(&last_activity_s, now_s());
        if (!read_message(buffer)) fBufFree(buffer);
    }
}

int main(int argc, char** argv) {
    int idle_s = 10;
    if (argc == 6 && strcmp(argv[4], "--idle") == 0) idle_s = atoi(argv[5]);
    if ((argc != 4 && argc != 6) || (strcmp(argv[1], "udp") && strcmp(argv[1], "tcp")) ||
        idle_s <= 0) {
        fprintf(stderr, "usage: fixbuf_listener udp|tcp PORT OUT.json [--idle SECONDS]\n");
        return 2;
    }
    out = fopen(argv[3], "w");
    if (!out) {
        perror(argv[3]);
        return 2;
    }
    g_log_set_default_handler(on_log, NULL);
    GError* error = NULL;
    layouts = g_hash_table_new(g_str_hash, g_str_equal);
    fbSession_t* session = fbSessionAlloc(fbInfoModelAlloc());
    fbSessionAddNewTemplateCallback(session, on_template, NULL);
    fbConnSpec_t endpoint = {.transport = strcmp(argv[1], "udp") ? FB_TCP : FB_UDP, .svc = argv[2]};
    listener = fbListenerAlloc(&endpoint, session, NULL, NULL, &error);
    if (!listener) {
        fprintf(stderr, "cannot listen on %s port %s: %s\n", argv[1], argv[2], error->message);
        return 1;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    atomic_store(&last_activity_s, now_s());
    g_thread_unref(g_thread_new("idle", watch_idle, GINT_TO_POINTER(idle_s)));
    collect();
    const gboolean written = fclose(out) == 0;
    printf(
        "{\"messages\":%llu,\"records\":%llu,\"optionsRecords\":%llu,\"packets\":%llu,\"octets\":%"
        "llu,\"reversePackets\":%"
        "llu,\"reverseOctets\":%llu,\"warnings\":%u}\n",
        messages, records, options_records, packets, octets, reverse_packets, reverse_octets,
        warnings);
    return warnings || !written ? 1 : 0;
}
